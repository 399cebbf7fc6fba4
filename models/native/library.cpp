#include <cstring>

#include "api.h"

#if ANYTIME_KNOWS_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

#if ANYTIME_KNOWS_AMX
namespace amx {
extern const Kernels kernels;
}

// Whether the processor has matrix units for eight bits, and the system lets this process use their registers, for which
// it has to be asked.
static bool matrix_units() {
    unsigned eax, ebx, ecx, edx;
    constexpr unsigned TILES = 1u << 24, EIGHT_BIT = 1u << 25;
    constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & TILES) && (edx & EIGHT_BIT) &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
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
    const bool has_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni");
    if (!strcmp(name, "avx512vnni") && has_vnni) return &avx512vnni::kernels;
#if ANYTIME_KNOWS_AMX
    if (!strcmp(name, "amx") && has_vnni && matrix_units()) return &amx::kernels;
#endif
#endif
    return nullptr;
}
