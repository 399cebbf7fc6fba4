#include <cstring>

#include "api.h"

namespace portable {
extern const Kernels kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
namespace avx512vnni {
extern const Kernels kernels;
}
#endif

// The functions for an instruction set, by name; null if this machine has it not.
extern "C" __attribute__((visibility("default"))) const Kernels *anytime_kernels(const char *name) {
    if (!strcmp(name, "portable")) return &portable::kernels;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    if (!strcmp(name, "avx2") && has_avx2) return &avx2::kernels;
    if (!strcmp(name, "avx512") && has_avx512) return &avx512::kernels;
    if (!strcmp(name, "avx512vnni") && has_avx512 && __builtin_cpu_supports("avx512vnni")) return &avx512vnni::kernels;
#endif
    return nullptr;
}
