#pragma once

#include <atomic>
#include <functional>
#include <iosfwd>
#include <string>

#include "core/error.h"

namespace limn {

/// The program's exit codes; docs and scripts rely on them.
enum ExitCode {
  exit_done = 0,
  exit_some_failed = 1,   ///< some inputs failed, each of them named
  exit_usage = 2,         ///< the command line makes no sense
  exit_unusable = 3,      ///< a model or data cannot be used
  exit_unwritable = 4,    ///< results cannot be written
  exit_interrupted = 130  ///< Ctrl-C, after what was done had been written
};

/// The command line asks for something that cannot be.
struct UsageError : Error {
  using Error::Error;
};

/// Whoever read standard output has gone (`limn … | head -1`): the program ends quietly.
struct OutputClosed : Error {
  OutputClosed() : Error("standard output: its reader has gone") {}
};

/// Ctrl-C stopped a command that cannot end with what is done so far.
struct Interrupted : Error {
  using Error::Error;
};

/// Options that most commands share.
struct CommonOptions {
  std::string model;  ///< folder, org/name in the hub cache, or a bundled name; "": the embedded default
  std::string device = "auto";
  std::string dtype = "auto";
  int batch = 0;       ///< pictures at a time; 0: chosen by device
  int threads = 0;     ///< of tensor operations; 0: LibTorch's choice, the number of cores
  int workers = 0;     ///< threads that decode pictures; 0: chosen by the number of cores
  bool quiet = false;  ///< no notes, no progress
  bool verbose = false;
  bool progress = true;  ///< a bar, where standard error is a terminal
};

/// Sets LibTorch's number of threads as asked.
void apply_threads(const CommonOptions& common);

struct Placement;

/// Where and in which type the user wants the model. @throws UsageError for words and devices that are not there
Placement placement_of(const CommonOptions& common);

/// Called first in main: standard streams that the caller closed are replaced, so that no file of ours takes their
/// number; a reader that goes away is an error code instead of a death; Ctrl-C and termination ask for an orderly end.
void prepare_process();

/// Whether Ctrl-C was pressed. A second one ends the process at once.
bool interrupted();
/// The same as a flag to be watched, e.g. by a pipeline.
const std::atomic<bool>& interruption();

/// Flushes results. @throws OutputClosed where the reader has gone, WriteError for every other reason
void flush_results(std::ostream& out);

/// Refuses a list that an option gives, but not with one for each of `count` things ("styles").
/// @param given  how many the list has; 0: it was left out, which is fine @throws UsageError
void check_one_for_each(const char* option, std::size_t given, std::size_t count, const char* things);

/// Runs a command; every error becomes one sentence on `notes` and the exit code of its kind.
int guarded(const std::function<int()>& command, std::ostream& notes);

}  // namespace limn
