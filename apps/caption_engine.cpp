#include "apps/caption_engine.h"

#include <algorithm>
#include <memory>

#include "apps/models.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/image.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

int batch_of(const CommonOptions& common, const Placement& placement) {
  if (common.batch > 0) return common.batch;
  return placement.device.is_cuda() ? 32 : 8;
}

}  // namespace

CaptionEngine open_caption_engine(const CommonOptions& common, bool orient) {
  apply_threads(common);
  const Placement placement = placement_of(common);
  const fs::path folder = resolve_model(common.model);
  const auto model = std::make_shared<Model>(open_model(folder, placement));
  if (!model->captioner)
    throw UsageError("caption: " + folder.string() + " (family " + model->family +
                     ") writes no captions; limn models lists what is here");
  CaptionEngine engine;
  engine.name = folder.string() + " (family " + model->family + ", " + describe(placement) + ")";
  engine.languages = model->captioner->languages;
  engine.defaults = model->captioner->defaults;
  engine.begin = model->captioner->begin;
  engine.decode = [model](const std::vector<std::int64_t>& ids) {
    const std::string text = model->captioner->tokenizer.decode(std::span(ids).subspan(1));  // behind the begin token
    return model->captioner->spelled ? model->captioner->spelled(text) : text;
  };
  engine.describe = [model, batch = batch_of(common, placement), orient](
                        const std::vector<fs::path>& pictures, const CaptionRequest& request, const auto& each) {
    const Captioner& captioner = *model->captioner;
    for (std::size_t first = 0; first < pictures.size() && !interrupted();) {
      const std::size_t end = std::min(pictures.size(), first + static_cast<std::size_t>(batch));
      std::vector<Tensor> pixels;
      std::vector<std::string> errors(end - first);
      for (std::size_t i = first; i < end; ++i) {
        try {
          pixels.push_back(captioner.preprocess(read_image(pictures[i], {.orientation = orient})));
        } catch (const InputError& error) {
          errors[i - first] = error.what();
        }
      }
      std::vector<std::vector<Caption>> captions;
      if (!pixels.empty()) captions = captioner(at::stack(pixels), request);
      if (interrupted()) return;
      std::size_t next = 0;
      for (std::size_t i = first; i < end; ++i)
        each(i, errors[i - first].empty() ? Described{captions[next++], {}} : Described{{}, errors[i - first]});
      first = end;
    }
  };
  return engine;
}

}  // namespace limn
