// What the kernels use of the system's headers, read before an instruction set is chosen, so that nothing of them is
// compiled for a machine that may not be there.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "api.h"
#include "draw.h"
