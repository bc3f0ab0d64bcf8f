#include "apps/notes.h"

#include <ostream>

namespace limn {

void Notes::complain(const std::string& text) {
  clear();
  out_ << "limn: " << text << '\n';
  out_.flush();
}

void Notes::begin(const std::string& label, std::int64_t total) {
  const bool bar = common_.progress && !common_.quiet && total > 1 && terminal_for_progress();
  progress_ = std::make_unique<Progress>(out_, ProgressOptions{.label = label, .total = total, .enabled = bar});
  progress_->update(0);
}

}  // namespace limn
