// For the size of a state, whose memory is Swift's then.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

static inline size_t cxxhash_state_size(void) { return sizeof(XXH3_state_t); }
