#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <algorithm>

#include "apps/train/captioning.h"
#include "apps/train/objective.h"
#include "apps/train/teacher.h"
#include "core/ops.h"
#include "vision/image.h"

namespace limn {

namespace {

// Zeroes some cells, so that captions do not hang on single ones. [B h w C]
Tensor with_cells_dropped(const Tensor& grid, double share, std::mt19937_64& random) {
  if (share == 0) return grid;
  Tensor keep = at::ones({grid.size(0), grid.size(1), grid.size(2), 1});
  float* cell = keep.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < keep.numel(); ++i) cell[i] = draw_unit(random) < share ? 0.0f : 1.0f;
  return grid * keep.to(grid.device());
}

// Of a frozen stem: kept grids of a few views. [B h w C]
Tensor kept_grids(const CaptionRun& run, const std::vector<std::int64_t>& pictures, std::mt19937_64& random) {
  std::vector<Tensor> chosen;
  const Tensor& grids = run.train.grids;
  for (const std::int64_t picture : pictures) {
    const std::int64_t v = static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(grids.size(1))));
    const bool flip = run.config.flip && draw_unit(random) < 0.5;
    const Tensor grid = grids[picture][v];  // [h w C]
    chosen.push_back(flip ? grid.flip({1}) : grid);
  }
  return at::stack(chosen).to(run.placement.device, at::kFloat);
}

// Of a stem that is trained: each time another crop of each picture, through the stem as it is now. [B h w C]
Tensor fresh_grids(const CaptionRun& run, const std::vector<std::int64_t>& pictures, std::mt19937_64& random) {
  std::vector<Tensor> views(pictures.size());
  std::vector<bool> flips;
  for (std::size_t i = 0; i < pictures.size(); ++i) flips.push_back(run.config.flip && draw_unit(random) < 0.5);
  std::vector<std::string> faults(pictures.size());
  at::parallel_for(0, static_cast<std::int64_t>(pictures.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) try {
        const Image image = read_image(run.train.records[static_cast<std::size_t>(pictures[i])].image);
        const Tensor view = picture_view(image, run.step + 1, pictures[i], run.looks);  // uint8 [3 H W]
        views[i] = flips[i] ? view.flip({2}) : view;
      } catch (const Error& error) {
        faults[i] = error.what();
      }
  });
  for (const std::string& fault : faults)
    if (!fault.empty()) throw InputError(fault);
  return run.model.vision.stem.grid(run.looks.preprocess.normalise(at::stack(views).to(run.placement.device)));
}

// Mixed precision for as long as it lives. Casts of the weights are dropped at the end: some were made without
// gradients.
class Autocast {
 public:
  explicit Autocast(const CaptionRun& run) : device_(run.placement.device.type()) {
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);  // CUDA's own choice is fp16, which needs scaled losses
    at::autocast::set_autocast_enabled(device_, run.config.bf16);
  }
  ~Autocast() {
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
};

// The captions that the model itself draws for these pictures, and what they are worth.
Tensor self_critical(CaptionRun& run, const Tensor& grid, const std::vector<std::int64_t>& pictures, std::uint64_t seed,
                     Report& report) {
  const TrainConfig& c = run.config;
  SampledCaptions sampled;
  {
    const at::NoGradGuard no_grad;
    const Autocast precision(run);
    sampled = sample_captions(run.model, run.tokenizer, run.rewards, run.model.vision.tokens(grid), pictures,
                              {.samples = c.self_critical_samples, .seed = seed});
  }
  report.add("reward", sampled.reward / static_cast<double>(c.accumulate));
  const Autocast precision(run);
  return self_critical_loss(run.model, run.model.vision.tokens(grid),
                            pack(std::move(sampled.captions), c.model.text.positions, LastToken::target, grid.device()),
                            sampled.advantages);
}

// What is learnt from another dual encoder about the batch's pictures that it knows. @param pictures  [B E]
Tensor taught(const CaptionRun& run, const Tensor& pictures, const std::vector<std::int64_t>& numbers,
              std::mt19937_64& random) {
  const CaptionTeacher& teacher = run.teacher;
  const Tensor seen = teacher.seen.index_select(0, at::tensor(numbers));
  const Tensor known = known_rows(seen);
  if (known.numel() == 0) return at::zeros({});
  std::vector<std::int64_t> drawn;
  TextRows texts;
  for (std::int64_t k = 0; k < run.config.teacher.texts_of_step; ++k) {
    drawn.push_back(static_cast<std::int64_t>(draw_below(random, teacher.texts.size())));
    constexpr std::int64_t kInRow = 8;
    if (k % kInRow == 0) texts.emplace_back();
    texts.back().push_back(teacher.texts[static_cast<std::size_t>(drawn.back())]);
  }
  const at::Device device = pictures.device();
  const PackedTexts packed = pack(std::move(texts), run.config.model.text.positions, LastToken::read, device);
  const HouseHeads& heads = *run.model.heads;
  const double dropout = run.config.dropout;
  return teacher_loss(heads, pictures.index_select(0, known.to(device)),
                      normalised(heads.texts(run.model.words(packed, dropout), packed, dropout)),
                      seen.index_select(0, known).to(device),
                      teacher.told.index_select(0, at::tensor(drawn)).to(device));
}

// What is learnt from people's captions.
Tensor losses(CaptionRun& run, const Tensor& grid, const std::vector<std::int64_t>& numbers, const TextRows& captions,
              std::mt19937_64& random, Report& report) {
  const TrainConfig& c = run.config;
  const Autocast precision(run);
  const HybridSight sight = run.model.vision.see(grid, c.dropout);
  const Tensor& tokens = sight.tokens;  // [B N D]
  Tensor total = at::zeros({});
  const auto add = [&](const Tensor& loss, double weight, const char* name) {
    report.add(name, loss.item<double>() / static_cast<double>(c.accumulate));
    total = total + weight * loss;
  };
  // A batch may be of a teacher's pictures only, which have none.
  const bool captioned = std::ranges::any_of(captions, [](const auto& row) { return !row.empty(); });
  if (c.caption_weight > 0 && captioned)
    add(caption_loss(run.model, tokens, pack(captions, c.model.text.positions, LastToken::target, grid.device()),
                     c.smoothing, c.dropout),
        c.caption_weight, "loss");
  Tensor pictures;  // [B E]
  if (c.contrast_weight > 0 || c.match_weight > 0 || c.teacher.weight > 0)
    pictures = normalised(run.model.heads->pictures(sight, c.dropout));
  if ((c.contrast_weight > 0 || c.match_weight > 0) && captioned) {
    const PairLosses pairs = pair_losses(run.model, tokens, pictures, captions, c.match_weight > 0, c.dropout, random);
    add(pairs.contrast, c.contrast_weight, "contrast");
    if (c.match_weight > 0) add(pairs.match, c.match_weight, "match");
  }
  if (c.teacher.weight > 0) add(taught(run, pictures, numbers, random), c.teacher.weight, "teacher");
  return total;
}

}  // namespace

void CaptionRun::add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) {
  const TrainConfig& c = config;
  const auto chosen = pictures_of_step(step * c.accumulate + part, c.batch, pictures(), c.seed);
  std::vector<const TokenizedCaptions*> captions;
  for (const std::int64_t picture : chosen) captions.push_back(&train.tokens[static_cast<std::size_t>(picture)]);
  const Tensor grid = with_cells_dropped(
      c.stem_rate > 0 ? fresh_grids(*this, chosen, random) : kept_grids(*this, chosen, random), c.drop_cells, random);
  const TextRows drawn = draw_captions(captions, c.captions, random);
  Tensor total = losses(*this, grid, chosen, drawn, random, report);
  if (c.self_critical_samples > 0)
    total = total + c.self_critical_weight * self_critical(*this, grid, chosen, random(), report);
  (total / static_cast<double>(c.accumulate)).backward();
}

}  // namespace limn
