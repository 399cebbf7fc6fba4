// Draw a code from logits: temperature, top-k, top-p; see models/runtime/sampling.py, which says the same in PyTorch.
#pragma once

#include "api.h"

// `scratch` holds 2 * codebook numbers; `uniform` is in [0, 1).
int32_t draw_code(const float *logits, int32_t codebook, const Draw &how, double uniform, double *scratch);
