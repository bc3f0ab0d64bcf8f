#include "text/generate.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "text/logits.h"

namespace limn {

namespace {

using Ids = std::vector<std::int64_t>;

// One sequence on its way.
struct Running {
  Sequence sequence;
  float sum = 0;       // beams: log-probabilities after the rules, in float as the reference adds them
  bool ended = false;  // greedy and sampled rows wait for their neighbours
};

// One picture's sequences.
struct Track {
  std::vector<Running> rows;
  std::vector<Sequence> finished;  // beams, best first
  bool done = false;
};

// What one step saw of one candidate.
struct Candidate {
  std::int64_t parent, token;  // parent: row of its picture
  float sum;
  double logprob;
};

void check(const TextTransformer& decoder, const Tensor& context, const std::vector<Ids>& prompts,
           const GenerateOptions& o) {
  const auto refuse = [](const std::string& what) { throw InputError("generate: " + what); };
  if (prompts.empty() || prompts[0].empty()) refuse("prompts: got none, expected at least one token for each picture");
  for (const Ids& prompt : prompts) {
    if (prompt.size() != prompts[0].size())
      refuse("prompts: got different lengths in one batch; caption them one by one");
    for (const std::int64_t id : prompt)
      if (id < 0 || id >= decoder.config.vocab)
        refuse("prompts: got id " + std::to_string(id) + ", expected 0 to " + std::to_string(decoder.config.vocab - 1));
  }
  if (context.defined() && context.size(0) != static_cast<std::int64_t>(prompts.size()))
    refuse("got " + std::to_string(prompts.size()) + " prompts for " + std::to_string(context.size(0)) + " pictures");
  if (!o.streams.empty() && o.streams.size() != prompts.size())
    refuse("streams: got " + std::to_string(o.streams.size()) + ", expected one for each of " +
           std::to_string(prompts.size()) + " pictures");
  if (o.beams < 1) refuse("beams: got " + std::to_string(o.beams) + ", expected at least 1");
  if (o.returned < 1) refuse("returned sequences: got " + std::to_string(o.returned) + ", expected at least 1");
  if (o.returned > o.beams && !(o.sample && o.beams == 1))
    refuse("returned sequences: got " + std::to_string(o.returned) + ", expected at most the number of beams, " +
           std::to_string(o.beams) + "; raise the beams, or sample");
  if (o.max_new_tokens < 0 || o.max_length < 0 || o.min_length < 0 || o.no_repeat_ngram < 0 || o.top_k < 0)
    refuse("lengths, n-gram size and top-k: got a negative number");
  if (!(o.repetition_penalty > 0))
    refuse("repetition penalty: got " + std::to_string(o.repetition_penalty) + ", expected more than 0");
  if (!(o.temperature > 0))
    refuse("temperature: got " + std::to_string(o.temperature) +
           ", expected more than 0; for the likeliest words leave sampling off");
  if (!(o.top_p > 0 && o.top_p <= 1))
    refuse("top-p: got " + std::to_string(o.top_p) + ", expected more than 0 and at most 1");
  for (const Ids& word : o.bad_words)
    for (const std::int64_t id : word)
      if (id < 0 || id >= decoder.config.vocab)
        refuse("banned words: got id " + std::to_string(id) + ", expected 0 to " +
               std::to_string(decoder.config.vocab - 1));
}

// The search without the model: takes scores, says which rows go on with which tokens.
class Search {
 public:
  Search(const std::vector<Ids>& prompts, std::int64_t positions, const GenerateOptions& options)
      : o_(options), prompt_(static_cast<std::int64_t>(prompts[0].size())), length_(prompt_) {
    asked_ = o_.max_new_tokens > 0 ? prompt_ + o_.max_new_tokens : o_.max_length > 0 ? o_.max_length : prompt_ + 20;
    if (asked_ <= prompt_)
      throw InputError("generate: max length " + std::to_string(asked_) +
                       " leaves no room behind the begin token and prompt, " + std::to_string(prompt_) + " tokens");
    limit_ = std::min(asked_, positions + 1);  // the last token is chosen, but never read
    width_ = o_.beams > 1 ? o_.beams : o_.returned;
    for (std::size_t picture = 0; picture < prompts.size(); ++picture) {
      Track track;
      track.rows.resize(static_cast<std::size_t>(width_));
      for (Running& row : track.rows) {
        row.sequence.ids = prompts[picture];
        row.sum =
            o_.beams > 1 && &row != &track.rows[0] ? -1e9f : 0.0f;  // beams begin alike: only the first may branch
      }
      tracks_.push_back(std::move(track));
      live_.push_back(picture);
    }
  }

  std::int64_t width() const { return width_; }
  bool finished() const {
    return std::all_of(tracks_.begin(), tracks_.end(), [](const Track& t) { return t.done; });
  }

  // Takes the scores of all live rows [live x width V] and chooses.
  void step(const Tensor& logits) {
    parents_.clear();
    tokens_.clear();
    if (o_.beams > 1) {
      step_beams(logits);
    } else {
      step_rows(logits);
    }
    ++length_;
  }

  // Of the rows of the last step: those that go on, and their new tokens.
  const Ids& parents() const { return parents_; }
  /// False where every row goes on from itself.
  bool rows_move() const {
    for (std::size_t i = 0; i < parents_.size(); ++i)
      if (parents_[i] != static_cast<std::int64_t>(i)) return true;
    return false;
  }
  const Ids& tokens() const { return tokens_; }

  // Drops pictures that are done, once they are half of the batch (each drop copies the others' picture keys).
  // Returns the positions of those kept, or nothing where all stay.
  Ids drop_done() {
    Ids kept;
    for (std::size_t i = 0; i < live_.size(); ++i)
      if (!tracks_[live_[i]].done) kept.push_back(static_cast<std::int64_t>(i));
    if (kept.empty() || 2 * kept.size() > live_.size()) return {};
    std::vector<std::size_t> live;
    Ids parents, tokens;
    for (const std::int64_t position : kept) {
      live.push_back(live_[static_cast<std::size_t>(position)]);
      for (std::int64_t row = position * width_; row < (position + 1) * width_; ++row) {
        parents.push_back(parents_[static_cast<std::size_t>(row)]);
        tokens.push_back(tokens_[static_cast<std::size_t>(row)]);
      }
    }
    live_ = live;
    parents_ = parents;
    tokens_ = tokens;
    return kept;
  }

  std::vector<std::vector<Sequence>> results() {
    std::vector<std::vector<Sequence>> all;
    for (Track& track : tracks_) {
      std::vector<Sequence> sequences = std::move(track.finished);
      if (o_.beams > 1) {
        // Only a stop from outside leaves fewer finished ones than beams: the best that were on their way fill up.
        for (const Running& row : track.rows)
          if (sequences.size() < static_cast<std::size_t>(o_.returned))
            sequences.push_back(penalised(row.sequence, row.sum));
      } else {
        for (Running& row : track.rows) {
          for (const double logprob : row.sequence.logprobs) row.sequence.score += logprob;
          sequences.push_back(std::move(row.sequence));
        }
        std::stable_sort(sequences.begin(), sequences.end(),
                         [](const Sequence& a, const Sequence& b) { return a.score > b.score; });
      }
      sequences.resize(static_cast<std::size_t>(o_.returned));
      all.push_back(std::move(sequences));
    }
    return all;
  }

 private:
  void step_rows(const Tensor& logits) {
    const Tensor total = at::logsumexp(logits, -1);  // [R]
    Tensor scores = logits;
    if (has_rules(o_)) {
      scores = logits.clone();
      apply_rules(scores, histories(), o_);
    }
    const Ids chosen = o_.sample ? draw(warped(scores, o_), random_numbers()) : to_ids(scores.argmax(-1));
    const Tensor index = at::tensor(at::ArrayRef<std::int64_t>(chosen)).to(logits.device()).unsqueeze(-1);
    const Tensor logprobs = (logits.gather(-1, index).squeeze(-1) - total).cpu();
    std::size_t row = 0;
    for (const std::size_t picture : live_) {
      Track& track = tracks_[picture];
      bool all_ended = true;
      for (std::size_t i = 0; i < track.rows.size(); ++i, ++row) {
        Running& running = track.rows[i];
        const std::int64_t token = chosen[row];
        parents_.push_back(static_cast<std::int64_t>(row));
        tokens_.push_back(token);
        if (running.ended) continue;
        running.sequence.ids.push_back(token);
        running.sequence.logprobs.push_back(logprobs.data_ptr<float>()[row]);
        running.ended = token == o_.end || length_ + 1 >= limit_;
        all_ended = all_ended && running.ended;
        if (o_.on_token) o_.on_token(static_cast<std::int64_t>(picture) * width_ + static_cast<std::int64_t>(i), token);
      }
      track.done = all_ended;
    }
  }

  void step_beams(const Tensor& logits) {
    const Tensor own = at::log_softmax(logits, -1);  // [R V]
    Tensor scores = own;
    if (has_rules(o_)) {
      scores = own.clone();
      apply_rules(scores, histories(), o_);
    }
    if (o_.sample) scores = warped(scores, o_);
    std::vector<float> sums;
    for (const std::size_t picture : live_)
      for (const Running& row : tracks_[picture].rows) sums.push_back(row.sum);
    const auto pictures = static_cast<std::int64_t>(live_.size()), V = logits.size(-1);
    const Tensor before = at::tensor(at::ArrayRef<float>(sums)).to(logits.device()).unsqueeze(-1);
    const Tensor accumulated = (scores + before).view({pictures, width_ * V});
    const Tensor best = best_candidates(accumulated);  // [pictures 2 beams] positions
    const Tensor values = accumulated.gather(-1, best).cpu(),
                 logprobs = own.view({pictures, width_ * V}).gather(-1, best).cpu();
    const Tensor positions = best.cpu().contiguous();
    const std::int64_t count = best.size(-1);
    for (std::int64_t i = 0; i < pictures; ++i) {
      std::vector<Candidate> candidates;
      for (std::int64_t c = i * count; c < (i + 1) * count; ++c) {
        const std::int64_t position = positions.data_ptr<std::int64_t>()[c];
        candidates.push_back({position / V, position % V, values.data_ptr<float>()[c], logprobs.data_ptr<float>()[c]});
      }
      advance(tracks_[live_[static_cast<std::size_t>(i)]], candidates, i * width_);
    }
  }

  // The positions of the best 2 x beams, best first; when sampling as many are drawn without replacement
  // (the Gumbel-top-k trick, Kool et al. 2019) and then put in order.
  Tensor best_candidates(const Tensor& accumulated) const {
    if (!o_.sample) return std::get<1>(at::topk(accumulated, 2 * o_.beams));
    Tensor noise = at::empty(accumulated.sizes(), at::kFloat);
    float* out = noise.data_ptr<float>();
    for (const std::size_t picture : live_)
      for (std::int64_t j = 0; j < accumulated.size(1); ++j)
        *out++ = static_cast<float>(-std::log(-std::log(
            uniform(o_.seed, stream(picture), static_cast<std::uint64_t>(j), static_cast<std::uint64_t>(length_)))));
    const Tensor drawn = std::get<1>(at::topk(accumulated + noise.to(accumulated.device()), 2 * o_.beams));
    return drawn.gather(-1, accumulated.gather(-1, drawn).argsort(-1, true));
  }

  // One step of one picture's beams. Source: transformers 5.24 generation/utils.py, _beam_search.
  void advance(Track& track, const std::vector<Candidate>& candidates, std::int64_t first_row) {
    const auto beams = static_cast<std::size_t>(o_.beams);
    std::vector<Running> next;
    Ids parents, tokens;
    std::size_t ended = 0;
    for (std::size_t rank = 0; rank < candidates.size(); ++rank) {
      const Candidate& candidate = candidates[rank];
      const bool ends = candidate.token == o_.end || length_ + 1 >= limit_;
      ended += ends;
      if (track.done || (ends && rank >= beams) || (!ends && next.size() == beams)) continue;
      Running row{track.rows[static_cast<std::size_t>(candidate.parent)].sequence, candidate.sum};
      row.sequence.ids.push_back(candidate.token);
      row.sequence.logprobs.push_back(candidate.logprob);
      if (ends) {
        if (o_.early_stopping != EarlyStopping::yes || track.finished.size() < beams)
          fresh_.push_back(penalised(row.sequence, row.sum));
      } else {
        parents.push_back(first_row + candidate.parent);
        tokens.push_back(candidate.token);
        next.push_back(std::move(row));
      }
    }
    merge(track.finished);
    if (!track.done) track.done = ended == candidates.size() || is_over(track, next[0].sum);
    if (!track.done) track.rows = std::move(next);
    for (std::size_t i = parents.size(); i < beams; ++i) {  // a picture that is done runs along until it is dropped
      parents.push_back(first_row + static_cast<std::int64_t>(i));
      tokens.push_back(0);
    }
    parents_.insert(parents_.end(), parents.begin(), parents.end());
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  }

  // Finished ones of this step join those of earlier steps; the best stay.
  void merge(std::vector<Sequence>& finished) {
    finished.insert(finished.end(), fresh_.begin(), fresh_.end());
    fresh_.clear();
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Sequence& a, const Sequence& b) { return a.score > b.score; });
    if (finished.size() > static_cast<std::size_t>(o_.beams)) finished.resize(static_cast<std::size_t>(o_.beams));
  }

  // No beam on its way can improve the finished list, by the reference's estimate.
  bool is_over(const Track& track, float best_sum) const {
    if (track.finished.size() < static_cast<std::size_t>(o_.beams)) return false;
    if (o_.early_stopping == EarlyStopping::yes) return true;
    const bool hopeful = o_.early_stopping == EarlyStopping::never && o_.length_penalty > 0;
    const auto length = static_cast<double>((hopeful ? asked_ : length_ + 1) - prompt_);
    return !(best_sum / static_cast<float>(std::pow(length, o_.length_penalty)) >
             static_cast<float>(track.finished.back().score));
  }

  Sequence penalised(Sequence sequence, float sum) const {
    const auto length = static_cast<double>(std::max<std::size_t>(sequence.logprobs.size(), 1));
    sequence.score = sum / static_cast<float>(std::pow(length, o_.length_penalty));
    return sequence;
  }

  std::vector<const Ids*> histories() const {
    std::vector<const Ids*> rows;
    for (const std::size_t picture : live_)
      for (const Running& row : tracks_[picture].rows) rows.push_back(&row.sequence.ids);
    return rows;
  }

  std::uint64_t stream(std::size_t picture) const { return o_.streams.empty() ? picture : o_.streams[picture]; }

  std::vector<double> random_numbers() const {
    std::vector<double> numbers;
    for (const std::size_t picture : live_)
      for (std::int64_t row = 0; row < width_; ++row)
        numbers.push_back(
            uniform(o_.seed, stream(picture), static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(length_)));
    return numbers;
  }

  static Ids to_ids(const Tensor& tensor) {
    const Tensor host = tensor.cpu().contiguous();
    return Ids(host.data_ptr<std::int64_t>(), host.data_ptr<std::int64_t>() + host.numel());
  }

  const GenerateOptions& o_;
  std::int64_t prompt_, length_, asked_ = 0, limit_ = 0, width_ = 1;
  std::vector<Track> tracks_;
  std::vector<std::size_t> live_;  // pictures in the batch
  std::vector<Sequence> fresh_;    // finished in this step
  Ids parents_, tokens_;
};

}  // namespace

std::vector<std::vector<Sequence>> generate(const TextTransformer& decoder, const Tensor& context,
                                            const std::vector<Ids>& prompts, const GenerateOptions& options) {
  const at::NoGradGuard no_grad;
  check(decoder, context, prompts, options);
  Search search(prompts, decoder.config.positions, options);
  const auto device = decoder.words.weight.device();
  const auto on_device = [&](const Ids& ids) { return at::tensor(at::ArrayRef<std::int64_t>(ids)).to(device); };
  const auto scores = [&](const Tensor& hidden) {
    return decoder.logits(hidden.select(1, hidden.size(1) - 1)).to(at::kFloat);
  };

  std::vector<Tensor> rows;
  for (const Ids& prompt : prompts) rows.push_back(on_device(prompt));
  TextState state;
  Tensor logits = scores(decoder(at::stack(rows), {.state = &state, .context = context}));  // [P V]
  if (search.width() > 1) {  // the prompt is read once for all beams
    const Tensor repeated =
        at::arange(logits.size(0), logits.options().dtype(at::kLong)).repeat_interleave(search.width());
    state.reorder(repeated);
    logits = logits.index_select(0, repeated);
  }
  while (true) {
    search.step(logits);
    if (search.finished() || (options.stop && options.stop())) break;
    const Ids kept = search.drop_done();
    if (!kept.empty() && context.defined()) state.keep_pictures(on_device(kept));
    if (search.rows_move() || !kept.empty()) state.reorder(on_device(search.parents()));
    logits = scores(decoder(on_device(search.tokens()).unsqueeze(-1), {.state = &state}));  // [R V]
  }
  return search.results();
}

}  // namespace limn
