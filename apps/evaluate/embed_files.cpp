#include "apps/evaluate/embed_files.h"

#include <ostream>

#include "apps/pictures.h"
#include "apps/progress.h"
#include "core/ops.h"
#include "fusion/model.h"

namespace limn {

bool each_file(const std::vector<std::filesystem::path>& files, const Model& model, const Preprocess& preprocess,
               const CommonOptions& common, const char* label, std::ostream& notes,
               const std::function<void(const Tensor& pictures, const std::vector<std::size_t>& indices)>& batch) {
  const bool bar = common.progress && !common.quiet && terminal_for_progress();
  Progress progress(notes, {.label = label, .total = static_cast<std::int64_t>(files.size()), .enabled = bar});
  in_order(files, preprocess, {common, model.placement, true}, batch,
           [&](std::size_t index, std::size_t, const std::string& error) {
             if (!error.empty()) throw InputError(explained(files[index], error));
             progress.update(static_cast<std::int64_t>(index) + 1);
           });
  return !interrupted();
}

Tensor embed_files(const std::vector<std::filesystem::path>& files, const Model& model, const CommonOptions& common,
                   std::ostream& notes) {
  if (!model.embedder || !model.embedder->image || !model.embedder->text)
    throw UsageError("evaluate: " + model.folder.string() + " (family " + model.family +
                     ") has no common space of pictures and texts; limn models info MODEL says what a model can do");
  std::vector<Tensor> rows;
  const bool whole = each_file(files, model, model.embedder->preprocess, common, "embed", notes,
                               [&](const Tensor& pictures, const std::vector<std::size_t>&) {
                                 rows.push_back(model.embedder->pictures(pictures));
                               });
  return whole ? at::cat(rows) : Tensor();
}

}  // namespace limn
