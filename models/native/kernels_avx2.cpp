#include "system.h"

#if defined(__x86_64__)
#pragma GCC target("avx2,fma,f16c")
#define ANYTIME_NAMESPACE avx2
#define ANYTIME_LANES 8
#define ANYTIME_PANEL 2
#define ANYTIME_HAS_HALF 1
#define ANYTIME_HAS_VNNI 0
#define ANYTIME_HAS_AMX 0
#include "kernels.inc"
#endif
