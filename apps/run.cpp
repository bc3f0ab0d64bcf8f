#include "apps/run.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <ostream>

#include "core/device.h"
#include "core/ops.h"

namespace limn {

namespace {

std::atomic<bool> stopping = false;

extern "C" void on_interrupt(int) {
  if (stopping.exchange(true)) _exit(exit_interrupted);
}

void replace_if_closed(int number, int mode) {
  if (fcntl(number, F_GETFD) != -1 || errno != EBADF) return;
  const int file = open("/dev/null", mode);  // takes the lowest free number: this one
  if (file != -1 && file != number) close(file);
}

void say(std::ostream& notes, const std::string& message) {
  notes << "limn: " << message << '\n';
  notes.flush();
}

}  // namespace

void apply_threads(const CommonOptions& common) {
  if (common.threads > 0) at::set_num_threads(common.threads);
}

Placement placement_of(const CommonOptions& common) {
  try {
    return parse_placement(common.device, common.dtype);
  } catch (const InputError& error) {
    throw UsageError(std::string("--") + error.what());
  }
}

void prepare_process() {
  replace_if_closed(STDIN_FILENO, O_RDONLY);
  replace_if_closed(STDOUT_FILENO, O_RDONLY);  // not writable: results must fail loudly, not vanish
  replace_if_closed(STDERR_FILENO, O_WRONLY);
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const std::atomic<bool>& interruption() { return stopping; }
bool interrupted() { return stopping; }

void flush_results(std::ostream& out) {
  errno = 0;
  out.flush();
  if (out) return;
  if (errno == EPIPE) throw OutputClosed();
  throw WriteError(std::string("standard output: cannot write: ") +
                   (errno ? std::strerror(errno) : "the stream failed"));
}

void check_one_for_each(const char* option, std::size_t given, std::size_t count, const char* things) {
  if (given != 0 && given != count)
    throw UsageError(std::string(option) + ": got " + std::to_string(given) + ", expected one for each of " +
                     std::to_string(count) + " " + things);
}

int guarded(const std::function<int()>& command, std::ostream& notes) {
  try {
    return command();
  } catch (const OutputClosed&) {
    return exit_unwritable;
  } catch (const Interrupted& error) {
    say(notes, error.what());
    return exit_interrupted;
  } catch (const UsageError& error) {
    say(notes, error.what());
    return exit_usage;
  } catch (const WriteError& error) {
    say(notes, error.what());
    return exit_unwritable;
  } catch (const Error& error) {
    say(notes, error.what());
    return exit_unusable;
  } catch (const std::bad_alloc&) {
    say(notes, "out of memory; a smaller --batch needs less");
    return exit_unusable;
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    const bool memory =
        text.find("out of memory") != std::string::npos || text.find("can't allocate memory") != std::string::npos;
    say(notes, memory ? "out of memory; a smaller --batch needs less: " + text.substr(0, text.find('\n'))
                      : "internal error: " + text);
    return exit_unusable;
  } catch (const std::exception& error) {
    say(notes, std::string("internal error: ") + error.what());
    return exit_unusable;
  }
}

}  // namespace limn
