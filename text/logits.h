#pragma once

#include "text/generate.h"

namespace limn {

/// True where `options` change scores by what was said before (penalty, n-grams, banned words, minimum length).
bool has_rules(const GenerateOptions& options);

/// Applies those rules to scores [R V] in the reference's order: repetition penalty, n-grams, banned words, minimum
/// length. Every rule touches few entries, so they are collected on the host and written in two indexed operations.
/// @param scores     float, changed in place; logits for greedy search and sampling, log-probabilities for beams
/// @param histories  R token lists, prompt included
/// Source: transformers 5.24 generation/logits_process.py.
void apply_rules(const Tensor& scores, const std::vector<const std::vector<std::int64_t>*>& histories,
                 const GenerateOptions& options);

/// Temperature, top-k and top-p, in this order: what falls out becomes minus infinity. [R V] -> [R V]
Tensor warped(const Tensor& scores, const GenerateOptions& options);

/// A random number in (0, 1) that depends on nothing but its arguments: samples do not change with the batch.
double uniform(std::uint64_t seed, std::uint64_t picture, std::uint64_t row, std::uint64_t step);

/// One token per row drawn from softmax(scores) by inverting the distribution at `at`. scores [R V] -> R ids
std::vector<std::int64_t> draw(const Tensor& scores, const std::vector<double>& at);

}  // namespace limn
