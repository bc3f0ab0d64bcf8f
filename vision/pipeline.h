#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "vision/preprocess.h"

namespace limn {

/// A picture that could not be made ready.
struct PictureError {
  std::size_t index;    ///< in the list of inputs
  std::string message;  ///< names the file
};

/// Some consecutive inputs: the good ones as one tensor, the broken ones by name.
struct PictureBatch {
  std::vector<std::size_t> indices;  ///< of the good ones, ascending; row b of `pixels` is picture indices[b]
  Tensor pixels;                     ///< uint8 [B 3 H W]; undefined where no picture of the batch is good
  std::vector<PictureError> errors;  ///< ascending
};

struct PipelineOptions {
  int workers = 0;                          ///< threads that make pictures ready; 0: one per core
  std::int64_t batch = 8;                   ///< good pictures per batch
  bool pinned = false;                      ///< batches in page-locked memory, for fast copies to a CUDA device
  const std::atomic<bool>* stop = nullptr;  ///< not owned; once true, no further picture is begun or delivered
};

/// Makes `count` pictures ready on worker threads and hands them to `use` in batches, on the calling thread, in input
/// order. What `use` sees does not depend on the number of workers: a batch ends where it is full, where the size of
/// the pictures changes, or with the input. Memory: one decoded picture per worker, and at most two batches and two
/// pictures per worker of ready ones.
/// @param make  uint8 [3 H W] of the picture `index`; called from several threads; what it throws becomes an error
/// @param use   what it throws ends the pipeline and is thrown on
/// @return false where it was stopped early
/// @throws InputError for a batch below 1
bool run_pipeline(std::size_t count, const std::function<Tensor(std::size_t index)>& make,
                  const std::function<void(const PictureBatch&)>& use, const PipelineOptions& options = {});

/// The usual `make`: reads, decodes and preprocesses files. Keeps its own copies of the arguments.
std::function<Tensor(std::size_t index)> picture_maker(std::vector<std::filesystem::path> files, Preprocess preprocess,
                                                       const DecodeOptions& decode = {});

}  // namespace limn
