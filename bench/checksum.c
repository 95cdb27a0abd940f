/*
 * The Internet checksum in C, for bench/checksum.mjs: packets of argv[2] bytes at every 2 KiB
 * of the file argv[1]. "sum" adds up the checksums, "rate MS" gives them per CPU second.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOT 2048

static uint16_t checksum(const unsigned char *p, size_t n) {
  uint64_t sum = 0;
  size_t i = 0;
  uint32_t word;
  uint16_t half;
  for (; i + 4 <= n; i += 4) {
    memcpy(&word, p + i, 4);
    sum += word;
  }
  if (i + 2 <= n) {
    memcpy(&half, p + i, 2);
    sum += half;
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~__builtin_bswap16(sum);
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc != 3) return 64;
  size_t length = atoi(argv[2]);
  FILE *file = fopen(argv[1], "rb");
  if (!file) return 1;
  fseek(file, 0, SEEK_END);
  size_t count = ftell(file) / SLOT;
  rewind(file);
  unsigned char *packets = malloc(count * SLOT);
  if (fread(packets, SLOT, count, file) != count) return 1;
  char line[64];
  double ms;
  while (fgets(line, sizeof line, stdin)) {
    uint64_t sum = 0;
    if (sscanf(line, "rate %lf", &ms) != 1) {
      for (size_t i = 0; i < count; i++) sum += checksum(packets + i * SLOT, length);
      printf("%llu\n", (unsigned long long)sum);
    } else {
      volatile uint64_t kept = 0;
      uint64_t done = 0;
      double start = cpu(), now;
      do {
        for (int pass = 0; pass < 256; pass++) {
          for (size_t i = 0; i < count; i++) sum += checksum(packets + i * SLOT, length);
          __asm__ volatile("" : : "r"(packets) : "memory");
        }
        kept = sum;
        done += 256 * count;
        now = cpu();
      } while ((now - start) * 1e3 < ms);
      printf("%.0f\n", done / (now - start));
    }
    fflush(stdout);
  }
  return 0;
}
