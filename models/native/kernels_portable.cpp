// For any machine; on 64-bit ARM these vectors are its own.
#include "system.h"

#define ANYTIME_NAMESPACE portable
#define ANYTIME_LANES 4
#define ANYTIME_PANEL 2
#define ANYTIME_HAS_HALF 0
#define ANYTIME_HAS_VNNI 0
#define ANYTIME_HAS_AMX 0
#include "kernels.inc"
