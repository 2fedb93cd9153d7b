/*
 * Texts in ASCII, which most are: the engine's strings of them. For files that have its values and, as `engine`, its
 * functions.
 */

#ifndef TEXTS_H
#define TEXTS_H

#define EACH_OCTET 0x0101010101010101u
#define HIGH_BITS (0x80 * EACH_OCTET)

static inline uint64_t eight_octets(const char *from) {
  uint64_t octets;
  memcpy(&octets, from, sizeof octets);
  return octets;
}

static inline int is_ascii(const char *from, size_t length) {
  size_t i = 0;
  for (; length - i >= 32; i += 32) {
    uint64_t seen =
        eight_octets(from + i) | eight_octets(from + i + 8) | eight_octets(from + i + 16) | eight_octets(from + i + 24);
    if (seen & HIGH_BITS) return 0;
  }
  for (; length - i >= 8; i += 8)
    if (eight_octets(from + i) & HIGH_BITS) return 0;
  for (; i < length; i++)
    if ((uint8_t)from[i] >= 0x80) return 0;
  return 1;
}

/* A string of ASCII, in memory as the engine's function makes it, which would first look at each octet. `end`: where what
   may be read ends. */
static inline Value new_ascii(Context *context, const char *from, size_t length, const char *end) {
  if (length == 0) return engine.new_string(context, from, length);
  uint32_t *string = engine.allocate(context, 16 + (length / 8 + 1) * 8);
  if (string == NULL) return exception;
  string[0] = 1; /* its count */
  string[1] = (uint32_t)length;
  string[2] = string[3] = 0; /* no atom */
  char *octets = (char *)(string + 4);
  if (length < 64 && (size_t)(end - from) >= length + 8) {
    for (size_t i = 0; i < length; i += 8) memcpy(octets + i, from + i, 8);
  } else {
    memcpy(octets, from, length);
  }
  octets[length] = 0;
  return (Value){{.pointer = string}, TAG_STRING};
}

#endif
