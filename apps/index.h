#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "apps/inputs.h"
#include "apps/run.h"
#include "fusion/index.h"
#include "fusion/model.h"

namespace limn {

struct IndexOptions {
  CommonOptions common;
  InputOptions inputs;
  std::filesystem::path out;                    ///< the index; made where it is not there
  std::vector<std::filesystem::path> captions;  ///< captions that are searched too; what read_captions() reads
  std::string type = "fp16";                    ///< of vectors: fp32, fp16, int8
  std::string structure = "auto";               ///< auto, exact, cells
  std::int64_t cells = 0;                       ///< how many; 0: by the number of pictures
  bool merge = false;                           ///< the inputs are indexes, which become one
  bool rebuild = false;                         ///< begin anew, e.g. with another model
  bool keep_missing = false;                    ///< pictures whose files are gone stay
  bool json = false;
};

/// A model as an index knows it.
struct IndexModel {
  std::string name;      ///< by which it is opened again
  std::string identity;  ///< see model_identity()
  std::shared_ptr<const Model> model;
};

/// Opens the model that the options name, or `stored` where they name none.
/// @throws UsageError where it has no embedder for pictures
IndexModel open_index_model(const CommonOptions& common, const std::string& stored = {});

/// @throws InputError where the index was made with another model
void check_model(const IndexHead& head, const IndexModel& model, const std::filesystem::path& file);

/// Makes an index of pictures, or makes an existing one agree with them: what is new or changed is encoded, what moved
/// is noted, what is gone is dropped. Killed at any point, it goes on where it was.
/// @return an ExitCode
int index_pictures(const IndexOptions& options, std::istream& in, std::ostream& out, std::ostream& notes);

/// The same with a model of the caller's; `open` is called when it is needed.
int index_with(const std::function<IndexModel(const std::string& stored)>& open, const IndexOptions& options,
               std::istream& in, std::ostream& out, std::ostream& notes);

}  // namespace limn
