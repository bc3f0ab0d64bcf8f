#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/run.h"
#include "core/tensor.h"

namespace limn {

struct Model;

/// What a form asks of the stylizer.
struct StylizeForm {
  std::vector<std::string> contents, styles;  ///< pictures as they lie in files
  std::vector<double> shares;                 ///< one a style; none: equal
  std::string compose = "auto", colour = "style", share = "global";
  double strength = 1;
  std::int64_t size = 1024;  ///< longer side to which pictures are reduced

  /// A part of the form, by the names of the command's options: content, style, shares, compose, color, share,
  /// strength, size. @throws InputError for other names, and numbers that are none
  void add(const std::string& name, std::string value);
};

struct StylizeAnswer {
  std::string picture;  ///< PNG
  std::string about;    ///< JSON on one line: width, height, seconds, shares, and how several contents were joined
};

/// Paints what forms ask for. The model is opened for the first of them; styles are kept as they were read, so that a
/// share that is moved costs no more than the painting. One call at a time.
class FormStylizer {
 public:
  /// @param common  its model is the stylizer; "": the bundled one
  explicit FormStylizer(CommonOptions common) : common_(std::move(common)) {}
  /// @throws InputError, UsageError, CheckpointError
  StylizeAnswer operator()(const StylizeForm& form);

 private:
  CommonOptions common_;
  std::shared_ptr<const Model> model_;
  std::map<std::uint64_t, std::vector<Tensor>> read_;  ///< styles by their bytes and size
};

}  // namespace limn
