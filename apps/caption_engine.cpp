#include "apps/caption_engine.h"

#include <memory>

#include "apps/pictures.h"
#include "fusion/model.h"

namespace limn {

CaptionEngine open_caption_engine(const CommonOptions& common, bool orient) {
  const std::shared_ptr<const Model> model = open_chosen_model(common);
  if (!model->captioner)
    throw UsageError("caption: " + model->folder.string() + " (family " + model->family +
                     ") writes no captions; limn models lists what is here");
  CaptionEngine engine;
  engine.name = model_text(*model);
  engine.languages = model->captioner->languages;
  engine.defaults = model->captioner->defaults;
  engine.begin = model->captioner->begin;
  engine.decode = [model](const std::vector<std::int64_t>& ids) {
    const std::string text = model->captioner->tokenizer.decode(std::span(ids).subspan(1));  // behind the begin token
    return model->captioner->spelled ? model->captioner->spelled(text) : text;
  };
  engine.describe = [model, common, orient](const std::vector<std::filesystem::path>& pictures,
                                            const CaptionRequest& request, const auto& each) {
    const Captioner& captioner = *model->captioner;
    std::vector<std::vector<Caption>> captions;  // of the last batch
    in_order(
        pictures, captioner.preprocess, {common, model->placement, orient},
        [&](const Tensor& batch, const std::vector<std::size_t>& indices) {
          CaptionRequest numbered = request;
          numbered.generate.streams.assign(indices.begin(), indices.end());
          captions = captioner(batch, numbered);
        },
        [&](std::size_t index, std::size_t row, const std::string& error) {
          each(index, error.empty() ? Described{captions[row], {}} : Described{{}, error});
        });
  };
  return engine;
}

}  // namespace limn
