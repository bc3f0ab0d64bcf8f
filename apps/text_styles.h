#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "apps/run.h"
#include "fusion/stylizer.h"

namespace limn {

/// What a stylizer needs of styles that are told in words, each as Stylizer::style gives it. The dual encoder that
/// reads them is opened where there are any.
/// @throws UsageError where the stylizer knows no words, CheckpointError where its encoder is missing or another
std::vector<std::vector<Tensor>> read_text_styles(const std::vector<std::string>& texts, const Stylizer& stylizer,
                                                  const CommonOptions& common, std::ostream& notes);

}  // namespace limn
