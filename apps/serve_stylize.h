#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/run.h"
#include "fusion/stylizer.h"

namespace limn {

struct Model;

/// What a form asks of the stylizer.
struct StylizeForm {
  struct Style {
    std::string value;   ///< a picture as it lies in a file, or
    bool words = false;  ///< what it looks like
  };
  std::vector<std::string> contents;  ///< pictures as they lie in files
  std::vector<Style> styles;
  std::vector<double> shares;  ///< one a style; none: equal
  std::string compose = "auto", colour = "style", share = "global";
  double strength = 1;
  std::int64_t size = 1024;  ///< longer side to which pictures are reduced

  /// A part of the form, by the names of the command's options: content, style, style-text, shares, compose, color,
  /// share, strength, size. @throws InputError for other names, and numbers that are none
  void add(const std::string& name, std::string value);
};

struct StylizeAnswer {
  std::string picture;  ///< PNG
  std::string about;    ///< JSON on one line: width, height, seconds, shares, how several contents were joined, a note
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
  StyleItem item_of(const StylizeForm::Style& style, std::int64_t size, bool recoloured, std::ostream& notes);
  CommonOptions common_;
  std::shared_ptr<const Model> model_;
  std::map<std::uint64_t, std::vector<Tensor>> read_;  ///< styles by kind, bytes and size
};

}  // namespace limn
