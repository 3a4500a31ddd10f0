#include "counting_malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

// glibc's own functions under the names that it exports for this.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting;
static atomic_long allocations;
static atomic_size_t largest;
static atomic_size_t bytes;

static void count(size_t size) {
  if (!atomic_load(&counting)) return;
  atomic_fetch_add(&allocations, 1);
  atomic_fetch_add(&bytes, size);
  size_t before = atomic_load(&largest);
  while (size > before && !atomic_compare_exchange_weak(&largest, &before, size)) {
  }
}

void counting_malloc_start(void) {
  atomic_store(&allocations, 0);
  atomic_store(&largest, 0);
  atomic_store(&bytes, 0);
  atomic_store(&counting, 1);
}

struct counted_allocations counting_malloc_stop(void) {
  atomic_store(&counting, 0);
  return (struct counted_allocations){
      atomic_load(&allocations), atomic_load(&largest), atomic_load(&bytes)};
}

void *malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
  count(size);
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *got = memalign(alignment, size);
  if (!got) return ENOMEM;
  *memory = got;
  return 0;
}
