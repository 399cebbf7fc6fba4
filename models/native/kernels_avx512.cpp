#include "system.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")
#define ANYTIME_NAMESPACE avx512
#define ANYTIME_LANES 16
#define ANYTIME_PANEL 4
#define ANYTIME_HAS_HALF 1
#define ANYTIME_HAS_VNNI 0
#define ANYTIME_HAS_AMX 0
#include "kernels.inc"
#endif
