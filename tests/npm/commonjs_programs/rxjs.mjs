// packages: ["rxjs"]
import { Subject, catchError, concatMap, debounceTime, from, lastValueFrom, map, of, retry, scan, throwError, timer, toArray } from "rxjs";
console.log(await lastValueFrom(from([1, 2, 3]).pipe(concatMap((n) => timer(1).pipe(map(() => n * 2))), scan((a, b) => a + b, 0), toArray())));
let tries = 0;
const failing = of(1).pipe(map(() => (tries++ < 2 ? null.x : tries)));
console.log(await lastValueFrom(failing.pipe(retry(3))), await lastValueFrom(throwError(() => new Error("no")).pipe(catchError((error) => of(error.message)))));
const subject = new Subject();
const last = lastValueFrom(subject.pipe(debounceTime(1), toArray()));
for (const each of [1, 2, 3]) subject.next(each);
subject.complete();
console.log(await last);
