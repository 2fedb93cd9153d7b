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
 * counter, it is lost, and the next one serves. Nothing is allocated, locked or called in the handler. System calls
 * that it interrupts go on (SA_RESTART), or are called again by Python (PEP 475); a turn hardly makes any.
 *
 * One native call is as long as it is: only the engine could poll in the midst of it.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* What a thread has. It is never freed: a signal may be on its way when the timer is deleted. */
typedef struct {
  int32_t *volatile running; /* the counter of the context whose turn runs in the thread; NULL: none runs */
  timer_t timer;
} Thread;

static void tick(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (info->si_code != SI_TIMER) return;
  volatile int32_t *counter = ((Thread *)info->si_value.sival_ptr)->running;
  if (counter != NULL && *counter > 1) *counter = 1;
}

/* Begin to tick in this thread, every so many nanoseconds of its CPU time; `running` is first in what is returned.
 * NULL: it cannot be done, or the signal has another purpose in this process. */
void *poll_timer_start(long period) {
  struct sigaction before, action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
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
