/* What the parts of this library share. */

#include <stdint.h>

/* What a context's poll counter is, which never is less than 0 else, while its heap is in the midst of a native call
 * that is interrupted; and when it was left there for ever. */
#define IN_MIDST INT32_MIN
#define LEFT (INT32_MIN + 1)

/* Values that Python is letting go of at the moment: the engine may be at work on any heap for that. */
extern int values_going;
