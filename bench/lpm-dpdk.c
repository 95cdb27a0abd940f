/*
 * DPDK's rte_lpm and rte_fib on the routes and addresses of a folder, for bench/lpm.mjs.
 * routes.u32: prefix, length, next hop for each route; NAME.u32: addresses.
 * Commands on standard input, an answer a line: "sum WAY NAME" adds up all answers,
 * "rate WAY NAME MS" gives million lookups per CPU second, "build WAY" seconds,
 * "churn WAY COUNT" updates per CPU second. "build filled" writes the cells of an rte_lpm
 * without its list of rules, which takes minutes for a million: for lookups alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_lpm.h>

#define BULK 256
/* An rte_lpm takes no default route and no value above 2^24. */
#define NOTHING 0xffffff

static struct rte_lpm *lpm;
static struct rte_fib *fib;
static uint32_t *routes;
static size_t count;
static uint32_t fallback = NOTHING;

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint32_t *read_words(const char *folder, const char *name, size_t *words) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s.u32", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *words = ftell(file) / 4;
  rewind(file);
  uint32_t *data = malloc(*words * 4 + BULK * 4);
  if (fread(data, 4, *words, file) != *words) exit(1);
  fclose(file);
  return data;
}

static void fill(void) {
  uint32_t groups = 0;
  for (uint32_t depth = 1; depth <= 32; depth++) {
    for (size_t i = 0; i < count; i++) {
      const uint32_t *r = routes + 3 * i;
      if (r[1] != depth) continue;
      struct rte_lpm_tbl_entry *above = &lpm->tbl24[r[0] >> 8];
      struct rte_lpm_tbl_entry cell = {.next_hop = r[2], .valid = 1, .depth = depth};
      if (depth <= 24) {
        for (uint32_t k = 0; k < 1u << (24 - depth); k++) above[k] = cell;
        continue;
      }
      if (!above->valid_group) {
        struct rte_lpm_tbl_entry below = *above;
        below.valid_group = 1;
        for (int k = 0; k < 256; k++) lpm->tbl8[groups * 256 + k] = below;
        struct rte_lpm_tbl_entry group = {.next_hop = groups++, .valid = 1, .valid_group = 1};
        *above = group;
      }
      cell.valid_group = 1;
      uint32_t first = above->next_hop * 256 + (r[0] & 255);
      for (uint32_t k = 0; k < 1u << (32 - depth); k++) lpm->tbl8[first + k] = cell;
    }
  }
}

static double build(int is_lpm, int is_filled) {
  double start = cpu();
  if (is_lpm) {
    struct rte_lpm_config config = {.max_rules = 1200000, .number_tbl8s = 8192};
    lpm = rte_lpm_create("lpm", SOCKET_ID_ANY, &config);
    if (!lpm) exit(2);
    if (is_filled) {
      fill();
      return cpu() - start;
    }
  } else {
    struct rte_fib_conf config = {.type = RTE_FIB_DIR24_8, .default_nh = fallback, .max_routes = 2000000};
    config.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
    config.dir24_8.num_tbl8 = 8192;
    if (fib) rte_fib_free(fib);
    fib = rte_fib_create("fib", SOCKET_ID_ANY, &config);
    if (!fib) exit(2);
  }
  for (size_t i = 0; i < count; i++) {
    const uint32_t *r = routes + 3 * i;
    if (r[1] == 0) continue;
    if ((is_lpm ? rte_lpm_add(lpm, r[0], r[1], r[2]) : rte_fib_add(fib, r[0], r[1], r[2])) != 0) exit(3);
  }
  return cpu() - start;
}

static uint64_t pass(const char *way, uint32_t *in, size_t n) {
  uint64_t sum = 0;
  if (!strcmp(way, "lpm")) {
    for (size_t i = 0; i < n; i++) {
      uint32_t hop;
      sum += rte_lpm_lookup(lpm, in[i], &hop) == 0 ? hop : fallback;
    }
  } else if (!strcmp(way, "lpm-bulk")) {
    uint32_t hops[BULK];
    for (size_t i = 0; i + BULK <= n; i += BULK) {
      rte_lpm_lookup_bulk(lpm, in + i, hops, BULK);
      for (int k = 0; k < BULK; k++)
        sum += hops[k] & RTE_LPM_LOOKUP_SUCCESS ? hops[k] & 0xffffff : fallback;
    }
  } else {
    uint64_t hops[BULK];
    for (size_t i = 0; i + BULK <= n; i += BULK) {
      rte_fib_lookup_bulk(fib, in + i, hops, BULK);
      for (int k = 0; k < BULK; k++) sum += hops[k];
    }
  }
  return sum;
}

static double churn(int is_lpm, unsigned updates) {
  uint32_t state = 12345;
  double start = cpu();
  for (unsigned i = 0; i < updates; i += 2) {
    state = state * 1664525u + 1013904223u;
    const uint32_t *r = routes + 3 * (size_t)(((uint64_t)state * count) >> 32);
    if (r[1] == 0) continue;
    if (is_lpm) {
      rte_lpm_delete(lpm, r[0], r[1]);
      rte_lpm_add(lpm, r[0], r[1], r[2]);
    } else {
      rte_fib_delete(fib, r[0], r[1]);
      rte_fib_add(fib, r[0], r[1], r[2]);
    }
  }
  return updates / (cpu() - start);
}

int main(int argc, char **argv) {
  if (argc != 2) return 64;
  char *eal[] = {"lpm", "--no-huge", "-m", "1536", "--no-pci", "--no-shconf", "--no-telemetry",
                 "--log-level=4", "--force-max-simd-bitwidth=512"};
  if (rte_eal_init(sizeof eal / sizeof *eal, eal) < 0) return 1;
  size_t words = 0;
  routes = read_words(argv[1], "routes", &words);
  if (!routes) return 1;
  count = words / 3;
  for (size_t i = 0; i < count; i++)
    if (routes[3 * i + 1] == 0) fallback = routes[3 * i + 2];
  char line[256], way[32], name[64];
  double ms;
  unsigned updates;
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "build %31s", way) == 1) {
      int is_filled = !strcmp(way, "filled");
      printf("%.4f\n", build(is_filled || !strncmp(way, "lpm", 3), is_filled));
    }
    else if (sscanf(line, "churn %31s %u", way, &updates) == 2)
      printf("%.1f\n", churn(!strncmp(way, "lpm", 3), updates));
    else {
      int timed = sscanf(line, "rate %31s %63s %lf", way, name, &ms) == 3;
      if (!timed && sscanf(line, "sum %31s %63s", way, name) != 2) return 64;
      static uint32_t *in;
      static char held[64];
      static size_t n;
      if (strcmp(held, name)) {
        free(in);
        in = read_words(argv[1], name, &n);
        if (!in) return 1;
        strcpy(held, name);
      }
      if (!timed) printf("%llu\n", (unsigned long long)pass(way, in, n));
      else {
        uint64_t done = 0;
        volatile uint64_t kept = 0;
        double start = cpu(), now;
        do {
          kept += pass(way, in, n);
          done += n;
          now = cpu();
        } while ((now - start) * 1e3 < ms);
        printf("%.3f\n", done / (now - start) / 1e6);
      }
    }
    fflush(stdout);
  }
  return 0;
}
