#pragma once

#include <c10/util/FunctionRef.h>

#include "core/tensor.h"

namespace limn {

/// Runs `walk` on every thread at once. The threads go through the same calls in the same order; each share() in them
/// divides its work among all and ends when all have done theirs. Between short steps that costs a tenth of what
/// sending threads out anew for each does. Where threads run already, `walk` runs once, alone. It must not throw.
void as_team(c10::function_ref<void()> walk);

/// f(begin, end) over ranges that make up 0..count, on several threads: the team's in as_team(), else LibTorch's.
/// @param grain  the least that is worth a thread of its own
void share(std::int64_t count, std::int64_t grain, c10::function_ref<void(std::int64_t begin, std::int64_t end)> f);

}  // namespace limn
