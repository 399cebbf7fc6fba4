// What the library offers, as plain C, so that it is loaded without being linked against Python.
//
// Every instruction set has its own copy of the functions (kernels_*.cpp); `anytime_kernels` hands out a table of them.
// Arrays are C-contiguous. Weights are copied while a model is made, so that the caller's may go.
#pragma once

#include <cstdint>

// Whether the compiler knows the processor's matrix units, and the system is one that can be asked for them.
#if defined(__x86_64__) && defined(__linux__) && __has_include(<amxint8intrin.h>)
#define ANYTIME_KNOWS_AMX 1
#else
#define ANYTIME_KNOWS_AMX 0
#endif

struct LinearWeights {
    const float *weight;  // (outputs, inputs)
    const float *bias;    // (outputs)
    int32_t inputs, outputs;
};

struct NormWeights {
    const float *weight, *bias;  // (width)
};

struct LayerWeights {
    NormWeights attention_norm;
    LinearWeights qkv, project;
    NormWeights feed_forward_norm;
    LinearWeights expand, contract;
};

struct PriorWeights {
    int32_t codes, codebook, tokens, layers, width, heads, slots;
    int32_t eight_bit;       // whether matrices are rounded to eight bits, and their inputs as they come
    const float *embedding;  // (tokens, width)
    const float *position;   // (codes, width)
    const LayerWeights *layer;
    NormWeights norm;
    LinearWeights head;
};

struct ConvolutionWeights {
    const float *weight;  // (inputs, outputs, kernel height, kernel width), as PyTorch holds a transposed convolution
    const float *bias;    // (outputs)
    int32_t inputs, outputs;
    int32_t height, width;  // of what comes in
    int32_t kernel[2], stride[2], padding[2];
};

struct DecoderWeights {
    int32_t codes, codebook, layers;
    int32_t spatial;       // whether a code is a place of the first layer's input instead of a channel
    int32_t eight_bit;     // as for the prior, but for the last layer; inputs with one scale for a sample
    const float *entries;  // (codebook, numbers of a code)
    const float *missing;  // (codes, numbers of a code): what stands in for codes that are not there
    const ConvolutionWeights *layer;
    float leak, low, high;  // slope below zero between layers; range of the media
};

struct CorrectionWeights {
    LinearWeights read, write, directions;  // the last without a bias: zeros
};

struct ResidualWeights {
    int32_t codes, codebook, depth, width, eight_bit;
    const float *entries;  // (codebook, depth)
    NormWeights norm;      // of the state, for every code: ones and zeros
    const CorrectionWeights *correction;  // (codes)
    LinearWeights readout;                // the state to a sample
    float low, high;                      // range of the media
};

// One layer of a gated PixelCNN, as models/hierarchical/incremental/matrices.py has it.
struct GatedLayerWeights {
    LinearWeights vertical;      // of a window in reading order, to the vertical stack's gates
    LinearWeights across;        // from them to the horizontal stack's
    LinearWeights left;          // to these from the places to the left
    const LinearWeights *centre;  // by channel, from its own place; no inputs where it may know of none
    const LinearWeights *inner;   // by channel, between the two products of the residual connection; no inputs if there is one
    const LinearWeights *last;    // by channel
    LinearWeights qkv, project;   // no inputs where no attention follows
    int32_t heads;
};

struct PixelCNNWeights {
    int32_t channels, values, layers, hidden, reach, height, width;
    int32_t features, spatial;  // numbers that a place is conditioned on, and whether they differ from place to place
    int32_t slots;
    int32_t beside;               // whether the timing signal lies before the embedded symbols, instead of being added
    const float *timing;          // (places, hidden), or null
    const float *const *table;    // by channel, (values, units)
    const int32_t *units;         // by channel
    LinearWeights condition;      // to the biases of all layers: of each the vertical stack's and the horizontal one's
    const GatedLayerWeights *layer;
    const LinearWeights *output, *head;  // by channel
};

struct Draw {
    double temperature, top_p;
    int32_t top_k;
};

struct Kernels {
    // Null where memory is short.
    void *(*prior_new)(const PriorWeights *);
    void (*prior_free)(void *prior);
    // The next code of `slot` is drawn at position `given`, `tokens` being the start token and the codes that are given.
    void (*prior_begin)(void *prior, int32_t slot, int32_t given, const int32_t *tokens, const Draw *, const double *uniforms);
    // One more code for each of `count` slots, none named twice, each short of `codes`; written to its place in `drawn`.
    void (*prior_step)(void *prior, int32_t count, const int32_t *slots);
    // (slots, codes): what has been drawn; owned by the prior.
    const int32_t *(*prior_codes)(const void *prior);
    // (slots): codes that each slot holds; owned by the prior.
    const int32_t *(*prior_positions)(const void *prior);
    // (codebook): the logits from which the slot named in place `row` of the last step was drawn; owned by the prior.
    const float *(*prior_logits)(const void *prior, int32_t row);
    int64_t (*prior_weight_bytes)(const void *prior);  // that a step reads

    void *(*decoder_new)(const DecoderWeights *);
    void (*decoder_free)(void *decoder);
    // codes (count, codes), the first `lengths` of each taken; media (count, outputs, height, width) of the last layer.
    void (*decoder_run)(void *decoder, int32_t count, const int32_t *codes, const int32_t *lengths, float *media);

    // The same for the residual kind; media (count, outputs of the readout).
    void *(*residual_new)(const ResidualWeights *);
    void (*residual_free)(void *residual);
    void (*residual_run)(void *residual, int32_t count, const int32_t *codes, const int32_t *lengths, float *media);

    void *(*pixelcnn_new)(const PixelCNNWeights *);
    void (*pixelcnn_free)(void *pixelcnn);
    // features (places or 1, features); the first `given` of a slot's symbols are not drawn; uniforms (places * channels).
    void (*pixelcnn_begin)(void *pixelcnn, int32_t slot, const float *features, int32_t given, const int32_t *symbols, const Draw *,
                           const double *uniforms);
    // So many more places for each of `count` slots, none named twice, each at least as many short of all.
    void (*pixelcnn_step)(void *pixelcnn, int32_t count, const int32_t *slots, int32_t places);
    // Bring a slot to a place all symbols before which were given.
    void (*pixelcnn_read)(void *pixelcnn, int32_t slot, int32_t places);
    // All logits (places, channels, values) given all symbols (places, channels); no slot changes.
    void (*pixelcnn_pass)(void *pixelcnn, const float *features, const int32_t *symbols, float *logits);
    const int32_t *(*pixelcnn_symbols)(void *pixelcnn);  // (slots, places, channels); owned by it
    // (channels, values) of the slot named in place `row`, at the last place stepped to; owned by it, overwritten by the next call.
    const float *(*pixelcnn_logits)(void *pixelcnn, int32_t row);
};
