// What a note may be. Modules are imported by relative paths and never from outside the app's folder.

/** Carries everything that is wrong, not only the first thing. */
export class InvalidInput extends Error {
  constructor(problems) {
    super(problems.join("; "));
    this.problems = problems;
  }
}

/** The note in a parsed JSON body. Throws InvalidInput. */
export function parseNote(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidInput(["expected an object with title and tags"]);
  }
  const problems = [];
  const { title, tags = [], ...rest } = value;
  if (typeof title !== "string" || title.trim() === "") problems.push("title: expected a text that is not empty");
  else if (title.length > 200) problems.push("title: expected at most 200 characters");
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) problems.push("tags: expected texts");
  for (const key of Object.keys(rest)) problems.push(`${key}: unknown`);
  if (problems.length > 0) throw new InvalidInput(problems);
  return { title: title.trim(), tags };
}
