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
 * A tick that finds the counter still at 1 has come in the midst of a native call, which has taken milliseconds and may
 * never end: `Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)`. Then the handler calls Python from where it is
 * (native_calls.py), which may switch to another greenlet. The turn's stack is put aside with the frame of the signal on
 * it, in which the system has put all registers. When the turn is switched to again the handler returns, and the call
 * goes on, as after any signal.
 *
 * That is sound only where what was interrupted is the engine itself. It works on nothing but its runtime, which nobody
 * else enters meanwhile; and it is called with Python's GIL held, by code that expects Python to run in it, for so it
 * does at each poll. So the handler looks where it was: in the functions of the engine, which lie in one piece. Not in
 * Python or the C library, whose locks may be held, nor in our own C, nor in the binding, which has Python's objects
 * half made. Elsewhere the next tick tries again. And as the signal is not blocked while its handler runs, it serves
 * the turns that run before this one goes on.
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

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* What a thread has. It is never freed: a signal may be on its way when the timer is deleted. */
typedef struct {
  int32_t *volatile running; /* the counter of the context whose turn runs in the thread; NULL: none runs */
  timer_t timer;
} Thread;

/* Where the engine's functions lie, and what is called in their midst; NULL: nothing is. */
static uintptr_t engine_begins, engine_ends;
static void *in_native_call;

/* Of Python's stable interface. */
extern void *PyErr_Occurred(void);
extern void PyErr_Clear(void);
extern void *PyObject_CallObject(void *function, void *arguments);
extern void Py_IncRef(void *object);
extern void Py_DecRef(void *object);

/* Where the thread was when the signal came; 0: not known. */
static uintptr_t place_in(const void *context) {
#if defined(__x86_64__)
  return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
  return (void)context, 0;
#endif
}

static void tick(int number, siginfo_t *info, void *context) {
  (void)number;
  if (info->si_code != SI_TIMER) return;
  volatile int32_t *counter = ((Thread *)info->si_value.sival_ptr)->running;
  if (counter == NULL) return;
  if (*counter > 1) {
    *counter = 1;
    return;
  }
  uintptr_t place = place_in(context);
  if (in_native_call == NULL || place < engine_begins || place >= engine_ends || PyErr_Occurred() != NULL) return;
  int error = errno;
  void *result = PyObject_CallObject(in_native_call, NULL);
  if (result != NULL)
    Py_DecRef(result);
  else
    PyErr_Clear();
  errno = error;
}

/* Once a process: have a function of Python called in the midst of native calls of the engine. */
void poll_timer_call(uintptr_t begins, uintptr_t ends, void *function) {
  engine_begins = begins;
  engine_ends = ends;
  Py_IncRef(function);
  in_native_call = function;
}

/* Begin to tick in this thread, every so many nanoseconds of its CPU time; `running` is first in what is returned.
 * NULL: it cannot be done, or the signal has another purpose in this process. */
void *poll_timer_start(long period) {
  struct sigaction before, action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
  int number = SIGRTMAX - 1;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &before) != 0) return NULL;
  if (before.sa_sigaction != tick) {
    if (before.sa_handler != SIG_DFL || sigaction(number, &action, NULL) != 0) return NULL;
  }
  Thread *thread = calloc(1, sizeof *thread);
  if (thread == NULL) return NULL;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number, .sigev_value.sival_ptr = thread};
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &thread->timer) != 0) {
    free(thread);
    return NULL;
  }
  struct itimerspec times = {{0, period}, {0, period}};
  timer_settime(thread->timer, 0, &times, NULL);
  /* Threads of programs that leave signals to one of them block all, and so do all programs below some supervisors. */
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, number);
  pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
  return thread;
}

/* The thread runs no turns any more. */
void poll_timer_stop(Thread *thread) { timer_delete(thread->timer); }
