// Counts allocations of the whole process: the test program's own malloc stands before libc's.
#pragma once

#include <stddef.h>

/// Starts to count, from zero.
void counting_malloc_start(void);

/// Allocations since the start, on all threads, the bytes of the largest and of all.
struct counted_allocations {
  long count;
  size_t largest;
  size_t bytes;
};

/// Ends counting.
struct counted_allocations counting_malloc_stop(void);
