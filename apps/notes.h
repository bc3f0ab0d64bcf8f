#pragma once

#include <memory>
#include <string>

#include "apps/progress.h"
#include "apps/run.h"

namespace limn {

/// What a command says beside its results, on standard error: sentences, and the progress bar, which steps aside for
/// them.
class Notes {
 public:
  Notes(const CommonOptions& common, std::ostream& out) : common_(common), out_(out) {}

  /// Unless the user wants quiet.
  void note(const std::string& text) {
    if (!common_.quiet) complain(text);
  }
  /// In any case.
  void complain(const std::string& text);

  /// Shows the bar from now on: on a terminal, unless unwanted, for more than one item.
  void begin(const std::string& label, std::int64_t total);
  void update(std::int64_t done) { progress_->update(done); }  ///< between begin() and end()
  void end() { progress_.reset(); }
  /// Takes the bar away before results are written; the next update draws it again.
  void clear() {
    if (progress_) progress_->clear();
  }

 private:
  const CommonOptions& common_;
  std::ostream& out_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace limn
