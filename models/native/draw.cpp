#include "draw.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace {

void softmax(const float *logits, int32_t count, double temperature, double *probabilities) {
    const double most = *std::max_element(logits, logits + count) / temperature;
    double sum = 0;
    for (int32_t i = 0; i < count; ++i) sum += probabilities[i] = std::exp(logits[i] / temperature - most);
    for (int32_t i = 0; i < count; ++i) probabilities[i] /= sum;
}

// Zero all but the k most likely, then all but the most likely whose share of what is left reaches p.
void restrict_to(const Draw &how, int32_t count, double *probabilities, double *ranked) {
    std::copy(probabilities, probabilities + count, ranked);
    std::sort(ranked, ranked + count, std::greater<>());
    const int32_t kept = std::min(how.top_k, count);
    double total = 0, before = 0;
    for (int32_t i = 0; i < kept; ++i) total += ranked[i];
    int32_t inside = 0;
    while (inside < kept && before < how.top_p * total) before += ranked[inside++];
    for (int32_t i = 0; i < count; ++i)
        if (probabilities[i] < ranked[inside - 1]) probabilities[i] = 0;
}

}  // namespace

int32_t draw_code(const float *logits, int32_t codebook, const Draw &how, double uniform, double *scratch) {
    softmax(logits, codebook, how.temperature, scratch);
    if (how.top_k < codebook || how.top_p < 1) restrict_to(how, codebook, scratch, scratch + codebook);
    double total = 0;
    for (int32_t i = 0; i < codebook; ++i) total += scratch[i];
    const double target = uniform * total;
    // In index order, so that a tie between two probabilities cannot swap their shares.
    double below = 0;
    int32_t last = 0;
    for (int32_t i = 0; i < codebook; ++i) {
        if (scratch[i] > 0) last = i;
        if ((below += scratch[i]) > target) return i;
    }
    return last;  // not reached: uniform is below 1 by more than the rounding
}
