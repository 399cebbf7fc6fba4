#include "system.h"

#if ANYTIME_KNOWS_AMX
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,amx-tile,amx-int8,avx2,fma,f16c")
#define ANYTIME_NAMESPACE amx
#define ANYTIME_LANES 16
#define ANYTIME_PANEL 4
#define ANYTIME_HAS_HALF 1
#define ANYTIME_HAS_VNNI 1
#define ANYTIME_HAS_AMX 1
#include "kernels.inc"
#endif
