#include "apps/caption_engine.h"

#include <memory>

#include "apps/models.h"
#include "fusion/model.h"
#include "vision/pipeline.h"

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
  const PipelineOptions options{
      .workers = common.workers, .batch = batch_of(common, placement), .stop = &interruption()};
  engine.describe = [model, options, orient](const std::vector<fs::path>& pictures, const CaptionRequest& request,
                                             const auto& each) {
    const Captioner& captioner = *model->captioner;
    run_pipeline(
        pictures.size(), picture_maker(pictures, captioner.preprocess, {.orientation = orient}),
        [&](const PictureBatch& batch) {
          std::vector<std::vector<Caption>> captions;
          CaptionRequest numbered = request;
          numbered.generate.streams.assign(batch.indices.begin(), batch.indices.end());
          if (!batch.indices.empty()) captions = captioner(batch.pixels, numbered);
          if (interrupted()) return;
          auto broken = batch.errors.begin();
          const auto report_broken = [&](std::size_t before) {
            for (; broken != batch.errors.end() && broken->index < before; ++broken)
              each(broken->index, Described{{}, broken->message});
          };
          for (std::size_t row = 0; row < batch.indices.size(); ++row) {
            report_broken(batch.indices[row]);
            each(batch.indices[row], Described{captions[row], {}});
          }
          report_broken(pictures.size());
        },
        options);
  };
  return engine;
}

}  // namespace limn
