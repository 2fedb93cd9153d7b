/*
 * Polls that come in time, whatever the engine counts.
 *
 * Theory of operation. The engine polls after a number of branches and calls, and polling.py sets that number. But what
 * it is set to is a guess from what the code did so far: a loop that was cheap and is now one of native calls, of a
 * millisecond or a second each, would run thousands of them before the next poll. So while a thread computes, a timer
 * of its CPU time sends it a signal every few milliseconds, and the handler sets the counter of the context whose turn
 * runs to 1: the next branch or call polls. A process that waits is not woken.
 *
 *   Python (isolate.py)                           here
 *   ───────────────────                           ────
 *   running[0] = the counter's address
 *   switch to the turn ...                        tick: *running = 1, if a turn runs
 *   running[0] = 0
 *
 * The signal goes to the thread whose timer it is, which therefore is in the midst of either no turn or this one: the
 * context is there as long as its address is. Where the tick falls between the engine's reading and writing of its
 * counter, it is lost, and the next one serves. System calls that it interrupts go on (SA_RESTART), or are called again
 * by Python (PEP 475); a turn hardly makes any.
 *
 * A while later a second timer looks whether that poll has come. A tick that finds the counter still at 1 has come in
 * the midst of a native call, which may never end: `Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)`. Then the
 * handler calls Python from where it is (native_calls.py), which may switch to another greenlet. The turn's stack is put
 * aside with the frame of the signal on it, in which the system has put all registers. When the turn is switched to
 * again the handler returns, and the call goes on, as after any signal, until the second timer ends its slice.
 *
 * That is sound only where what was interrupted is the engine itself. It works on nothing but its runtime, which nobody
 * else enters meanwhile; and it is called with Python's GIL held, by code that expects Python to run in it, for so it
 * does at each poll. So the handler looks where it was: in the functions of the engine, which lie in one piece, or in
 * those of the C library that copy and fill memory, where the engine called them. They hold no lock, and call nobody.
 * Not elsewhere in the C library, nor in Python, whose locks may be held, nor in our own C but for what stands in for
 * functions of the engine (json_builtins.c), nor in the binding, which has Python's objects half made: there the second
 * timer tries again soon. Nor in the one function of the engine that takes a lock of the process, Atomics.notify. And as
 * the signal is not blocked while its handler runs, it serves the turns that run before this one goes on.
 *
 * What Python lets go of meanwhile waits (poll_timer_values.c). The counter tells that, from before Python is called: it
 * may collect garbage at any time.
 *
 * Why two timers: what most kernels know of a thread's CPU time is the clock tick, 4 ms, but it costs nobody anything
 * who waits. The second is as exact as one likes, and runs only once the first has found a turn at work.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "poll_timer.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* How long after a poll was asked for it is missed, and after which a call that was not suspended may be. */
#define SOON 200000
/* Of a native call, which then is suspended again. */
#define SLICE 500000

/* What tells the second timer's signals from the first's, in the address of their thread. */
#define SECOND ((uintptr_t)1)

/* What a thread has. It is never freed: a signal may be on its way when the timers are deleted. */
typedef struct {
  int32_t *volatile running; /* the counter of the context whose turn runs in the thread; NULL: none runs */
  timer_t timer;
  timer_t second;
  volatile int is_expected; /* a poll was asked for, and the second looks whether it has come */
  volatile int is_late;    /* a tick came where nothing could be suspended */
  volatile int is_armed;   /* the second is to come */
} Thread;

static __thread Thread *mine;

/* Where functions lie: from and to. */
typedef struct {
  uintptr_t begins, ends;
} Range;

#define MOST_LEAVES 8

/* The engine's functions, the one of them that takes a lock, those of ours that are like them, those that copy and fill,
 * and what is called in their midst; NULL: nothing is. */
static Range engine, locking, like_it, leaves[MOST_LEAVES];
static void *in_native_call;

/* Of Python's stable interface. */
extern void *PyErr_Occurred(void);
extern void PyErr_Clear(void);
extern void *PyObject_CallObject(void *function, void *arguments);
extern int PyObject_IsTrue(void *object);
extern void Py_IncRef(void *object);
extern void Py_DecRef(void *object);

static inline int is_within(uintptr_t place, Range range) { return place >= range.begins && place < range.ends; }

static inline int is_engines(uintptr_t place) { return is_within(place, engine) || is_within(place, like_it); }

/* Whether the thread was in the engine, or in what the engine called and calls nobody, when the signal came. */
static int is_in_engine(const void *context) {
  const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
  uintptr_t place = (uintptr_t)machine->gregs[REG_RIP], caller = *(const uintptr_t *)machine->gregs[REG_RSP];
#elif defined(__aarch64__)
  uintptr_t place = machine->pc, caller = machine->regs[30];
#else
  uintptr_t place = 0, caller = 0;
  (void)machine;
#endif
  if (is_engines(place)) return !is_within(place, locking);
  for (int i = 0; i < MOST_LEAVES; i++) {
    if (is_within(place, leaves[i])) return is_engines(caller);
  }
  return 0;
}

static void come_back(Thread *thread, long after) {
  struct itimerspec once = {{0, 0}, {0, after}};
  thread->is_armed = 1;
  /* A time that never comes is refused. */
  if (timer_settime(thread->second, 0, &once, NULL) != 0) thread->is_armed = 0;
}

/* Whether Python may be called, and be in the midst of this turn: not where it deals with an error, nor of ending a
 * value, for which the engine may be at work on another heap. */
static inline int python_may_run(void) { return PyErr_Occurred() == NULL && values_going == 0; }

/* Have Python see whether the turn is to be suspended. */
static void suspend(Thread *thread) {
  volatile int32_t *counter = thread->running;
  int32_t count = *counter;
  *counter = IN_MIDST;
  thread->is_late = 0;
  void *was_suspended = PyObject_CallObject(in_native_call, NULL);
  if (was_suspended == NULL) PyErr_Clear();
  come_back(thread, was_suspended != NULL && PyObject_IsTrue(was_suspended) == 1 ? SLICE : SOON);
  if (was_suspended != NULL) Py_DecRef(was_suspended);
  *counter = count;
}

/* Called by our own C where it may be suspended: see whether a tick came in vain. */
void poll_timer_pause(void) {
  if (mine != NULL && mine->is_late && mine->running != NULL && python_may_run()) suspend(mine);
}

static void tick(int number, siginfo_t *info, void *context) {
  (void)number;
  if (info->si_code != SI_TIMER) return;
  uintptr_t sender = (uintptr_t)info->si_value.sival_ptr;
  Thread *thread = (Thread *)(sender & ~SECOND);
  if (sender & SECOND) thread->is_armed = 0;
  volatile int32_t *counter = thread->running;
  if (counter == NULL) return;
  if (*counter == IN_MIDST) return; /* Python is seeing to it. */
  int error = errno, may_be_native = *counter <= 1;
  *counter = 1;
  /* Where the second is to come it does so when the slice ends. */
  if (in_native_call == NULL || thread->is_armed) return;
  int was_expected = thread->is_expected;
  thread->is_expected = 0;
  if (!may_be_native && was_expected) {
    come_back(thread, SLICE);
  } else if (!may_be_native) {
    thread->is_expected = 1;
    come_back(thread, SOON);
  } else if (is_in_engine(context) && python_may_run()) {
    suspend(thread);
  } else {
    thread->is_late = 1;
    come_back(thread, SOON);
  }
  errno = error;
}

/* Once a process: have a function of Python called in the midst of native calls of the engine; whether it has suspended
 * the call is what it returns. `ranges`: where the engine's functions lie, where the one that takes a lock, and behind
 * that those of the C library that copy and fill, so many in all. */
void poll_timer_call(const Range *ranges, size_t count, void *function) {
  engine = ranges[0];
  locking = ranges[1];
  for (size_t i = 2; i < count && i < 2 + MOST_LEAVES; i++) leaves[i - 2] = ranges[i];
  Py_IncRef(function);
  in_native_call = function;
}

/* Once a process: where functions of ours lie that may be suspended as the engine's are. All that they work on is their
 * caller's. */
void poll_timer_call_in(Range range) { like_it = range; }

/* Have a signal call us, if it has no other purpose in this process. */
static int take_signal(int number) {
  struct sigaction before, action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &before) != 0) return 0;
  return before.sa_sigaction == tick || (before.sa_handler == SIG_DFL && sigaction(number, &action, NULL) == 0);
}

/* Both timers of this thread. 0: they cannot be had, for errno's reason. */
static int make_timers(Thread *thread, int number) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  event.sigev_value.sival_ptr = (void *)((uintptr_t)thread | SECOND);
  if (timer_create(CLOCK_MONOTONIC, &event, &thread->second) != 0) return 0;
  event.sigev_value.sival_ptr = thread;
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &thread->timer) == 0) return 1;
  timer_delete(thread->second);
  return 0;
}

/* Begin to tick in this thread, every so many nanoseconds of its CPU time; `running` is first in what is returned.
 * NULL: it cannot be done, or no signal is left for it in this process.
 *
 * The signal is the last but one that can be had. Where programs are run that were made for another processor (QEMU), some
 * of the last are the emulator's own: it has timers refuse them. */
void *poll_timer_start(long period) {
  Thread *thread = calloc(1, sizeof *thread);
  if (thread == NULL) return NULL;
  int number = SIGRTMAX - 1, is_made = 0;
  for (; number > SIGRTMIN; number--) {
    if (!take_signal(number)) continue;
    is_made = make_timers(thread, number);
    if (is_made || errno != EINVAL) break;
    signal(number, SIG_DFL);
  }
  if (!is_made) {
    free(thread);
    return NULL;
  }
  mine = thread;
  struct itimerspec times = {{0, period}, {0, period}};
  timer_settime(thread->timer, 0, &times, NULL);
  /* Threads of programs that leave signals to one of them block all, and so do all programs below some supervisors. */
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, number);
  pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
  return thread;
}

/* Tick once more, so many nanoseconds from now on. */
void poll_timer_tick_after(Thread *thread, long after) {
  if (in_native_call == NULL) return;
  thread->is_expected = 0;
  come_back(thread, after);
}

/* The thread runs no turns any more. */
void poll_timer_stop(Thread *thread) {
  mine = NULL;
  timer_delete(thread->timer);
  timer_delete(thread->second);
}
