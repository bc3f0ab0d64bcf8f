#include "apps/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>

namespace limn {

namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kMemorySeconds = 30;  // older speed counts less and less

int terminal_width() {
  struct winsize size {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string rate_text(double rate) {
  char text[32];
  if (rate >= 0.995 || rate <= 0) {
    std::snprintf(text, sizeof text, rate >= 99.5 ? "%.0f/s" : "%.1f/s", rate);
  } else {
    std::snprintf(text, sizeof text, 1 / rate >= 99.5 ? "%.0f s each" : "%.1f s each", 1 / rate);
  }
  return text;
}

}  // namespace

bool terminal_for_progress() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (!kind || std::strcmp(kind, "dumb") != 0);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::clamp(seconds, 0.0, 3.6e9)));
  char text[48];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

Progress::Progress(std::ostream& notes, ProgressOptions options)
    : notes_(notes), options_(std::move(options)), done_(options_.first), last_time_(now()) {}

Progress::~Progress() { clear(); }

double Progress::now() const {
  if (options_.seconds) return options_.seconds();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Progress::rate() const { return smoothed_seconds_ > 0 ? smoothed_items_ / smoothed_seconds_ : 0; }

void Progress::update(std::int64_t done, const std::string& detail) {
  if (!options_.enabled) return;
  const double time = now(), passed = time - last_time_;
  if (done > done_) {
    const double keep = std::exp(-passed / kMemorySeconds);
    smoothed_items_ = smoothed_items_ * keep + static_cast<double>(done - done_);
    smoothed_seconds_ = smoothed_seconds_ * keep + passed;
    done_ = done;
    last_time_ = time;
  }
  detail_ = detail;
  if (visible_ && drawn_at_ >= 0 && time - drawn_at_ < kRedrawSeconds && done != options_.total) return;
  notes_ << '\r' << line() << "\x1b[K";  // the rest of an older, longer line goes
  notes_.flush();
  visible_ = true;
  drawn_at_ = time;
}

void Progress::clear() {
  if (!visible_) return;
  notes_ << "\r\x1b[K";
  notes_.flush();
  visible_ = false;
}

std::string Progress::line() const {
  if (!options_.enabled) return {};
  const double speed = rate();
  std::string text = options_.label + "  ";
  if (options_.total > 0) {
    const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(options_.total), 0.0, 1.0);
    constexpr int kCells = 20;
    const int full = static_cast<int>(share * kCells);
    text.append("[").append(full, '#').append(kCells - full, '-').append("]  ");
    text += std::to_string(static_cast<int>(share * 100)) + "%  ";
    text += std::to_string(done_) + "/" + std::to_string(options_.total);
  } else {
    text += std::to_string(done_);
  }
  if (speed > 0) {
    text.append("  ").append(rate_text(speed));
    if (options_.total > done_)
      text.append("  ").append(clock_text(static_cast<double>(options_.total - done_) / speed)).append(" left");
  }
  if (!detail_.empty()) text += "  " + detail_;
  const int width = (options_.width > 0 ? options_.width : terminal_width()) - 1;  // a full last column would wrap
  if (static_cast<int>(text.size()) > width) text.resize(static_cast<std::size_t>(std::max(width, 0)));
  return text;
}

}  // namespace limn
