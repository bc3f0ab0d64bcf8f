#include "text/generate.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <set>

#include "core/ops.h"
#include "tests/catch.h"
#include "text/logits.h"

using namespace limn;
using Ids = std::vector<std::int64_t>;

namespace {

constexpr std::int64_t kVocab = 31, kBegin = 1, kEnd = 2;

// A small captioner's decoder; the head is sharpened so that sentences end and beams differ.
TextTransformer small_decoder(std::int64_t context = 12) {
  TextTransformer decoder(Weights::random(5), {.vocab = kVocab,
                                               .dim = 16,
                                               .heads = 2,
                                               .layers = 2,
                                               .mlp = 32,
                                               .positions = 24,
                                               .context_dim = context,
                                               .eps = 1e-5,
                                               .causal = true,
                                               .embedding_norm = true,
                                               .head = Head::bert});
  decoder.words.weight.mul_(20);
  decoder.positions.mul_(20);
  decoder.head_bias[kEnd] = 1.0;
  return decoder;
}

Tensor contexts(std::int64_t pictures) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(11);
  return at::randn({pictures, 9, 12}, generator) * 3;
}

std::vector<Ids> prompts(std::int64_t pictures, const Ids& prompt = {kBegin}) {
  return std::vector<Ids>(static_cast<std::size_t>(pictures), prompt);
}

GenerateOptions options(GenerateOptions o) {
  o.end = kEnd;
  return o;
}

// log-probabilities of the next token, without any cache.
Tensor next_logprobs(const TextTransformer& decoder, const Tensor& context, const Ids& ids) {
  const Tensor hidden = decoder(at::tensor(at::ArrayRef<std::int64_t>(ids)).unsqueeze(0), {.context = context});
  return at::log_softmax(decoder.logits(hidden)[0][-1], -1);
}

struct Scored {
  Ids ids;
  double sum;
};

// Beam search in its plainest form, one picture, no cache: what `generate` must agree with when nothing stops early.
std::vector<Scored> plain_beams(const TextTransformer& decoder, const Tensor& context, std::size_t beams,
                                std::size_t length) {
  std::vector<Scored> running{{{kBegin}, 0}}, finished;
  while (!running.empty()) {
    std::vector<Scored> candidates;
    for (const Scored& row : running) {
      const Tensor logprobs = next_logprobs(decoder, context, row.ids);
      for (std::int64_t v = 0; v < kVocab; ++v) {
        candidates.push_back({row.ids, row.sum + logprobs[v].item<double>()});
        candidates.back().ids.push_back(v);
      }
    }
    std::sort(candidates.begin(), candidates.end(), [](const Scored& a, const Scored& b) { return a.sum > b.sum; });
    running.clear();
    for (std::size_t rank = 0; rank < std::min(2 * beams, candidates.size()); ++rank) {
      const Scored& candidate = candidates[rank];
      const bool ends = candidate.ids.back() == kEnd || candidate.ids.size() == length;
      if (ends && rank < beams)
        finished.push_back({candidate.ids, candidate.sum / static_cast<double>(candidate.ids.size() - 1)});
      if (!ends && running.size() < beams) running.push_back(candidate);
    }
  }
  std::sort(finished.begin(), finished.end(), [](const Scored& a, const Scored& b) { return a.sum > b.sum; });
  finished.resize(std::min(finished.size(), beams));
  return finished;
}

bool same(const Sequence& a, const Sequence& b) { return a.ids == b.ids && std::abs(a.score - b.score) < 1e-5; }

}  // namespace

TEST_CASE("greedy search takes the best token of the uncached model at each step", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const Tensor context = contexts(3);
  const auto results = generate(decoder, context, prompts(3), options({.max_new_tokens = 10}));
  REQUIRE(results.size() == 3);
  for (std::int64_t picture = 0; picture < 3; ++picture) {
    const Sequence& got = results[static_cast<std::size_t>(picture)].at(0);
    Ids ids{kBegin};
    double sum = 0;
    for (std::size_t i = 0; i < 10 && (i == 0 || ids.back() != kEnd); ++i) {
      const Tensor logprobs = next_logprobs(decoder, context.narrow(0, picture, 1), ids);
      ids.push_back(logprobs.argmax().item<std::int64_t>());
      REQUIRE(got.logprobs.size() > i);
      CHECK(got.logprobs[i] == Catch::Approx(logprobs[ids.back()].item<double>()).margin(1e-5));
      sum += logprobs[ids.back()].item<double>();
    }
    CHECK(got.ids == ids);
    CHECK(got.score == Catch::Approx(sum).margin(1e-4));
  }
}

TEST_CASE("beam search agrees with its plainest form", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const Tensor context = contexts(4);
  const std::int64_t beams = GENERATE(2, 3, 5);
  // "never" with this length stops only when nothing can improve, so the plain search finds the same.
  const auto results =
      generate(decoder, context, prompts(4),
               options({.beams = beams, .returned = beams, .max_length = 9, .early_stopping = EarlyStopping::never}));
  for (std::int64_t picture = 0; picture < 4; ++picture) {
    CAPTURE(beams, picture);
    const auto expected = plain_beams(decoder, context.narrow(0, picture, 1), static_cast<std::size_t>(beams), 9);
    const auto& got = results[static_cast<std::size_t>(picture)];
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i].ids == expected[i].ids);
      CHECK(got[i].score == Catch::Approx(expected[i].sum).margin(1e-5));
      double sum = 0;
      for (const double logprob : got[i].logprobs) sum += logprob;
      CHECK(sum / static_cast<double>(got[i].logprobs.size()) == Catch::Approx(got[i].score).margin(1e-5));
    }
  }
}

TEST_CASE("a batch gives what its pictures give alone", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const Tensor context = contexts(7);
  const int kind = GENERATE(0, 1, 2, 3, 4);
  const GenerateOptions base = options(std::vector<GenerateOptions>{
      {.max_new_tokens = 12},
      {.beams = 3, .returned = 2},
      {.beams = 4,
       .returned = 3,
       .length_penalty = 2.0,
       .repetition_penalty = 1.2,
       .no_repeat_ngram = 2,
       .early_stopping = EarlyStopping::yes},
      {.returned = 2, .sample = true, .temperature = 0.8, .top_k = 12, .top_p = 0.9, .seed = 3},
      {.beams = 2, .sample = true, .seed = 4}}[static_cast<std::size_t>(kind)]);
  CAPTURE(kind);
  const auto together = generate(decoder, context, prompts(7, {kBegin, 5}), base);
  for (std::int64_t picture = 0; picture < 7; ++picture) {
    GenerateOptions single = base;
    single.streams = {static_cast<std::uint64_t>(picture)};
    const auto alone = generate(decoder, context.narrow(0, picture, 1), prompts(1, {kBegin, 5}), single);
    REQUIRE(alone[0].size() == together[static_cast<std::size_t>(picture)].size());
    for (std::size_t i = 0; i < alone[0].size(); ++i)
      CHECK(same(alone[0][i], together[static_cast<std::size_t>(picture)][i]));
  }
}

TEST_CASE("lengths: new tokens beside the prompt, or all of them", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const Ids prompt{kBegin, 7, 8};
  const auto length = [&](GenerateOptions o) {
    o.end = -1;  // nothing ends before its length
    return generate(decoder, contexts(1), {prompt}, o)[0][0].ids.size();
  };
  CHECK(length({}) == 23);
  CHECK(length({.max_length = 6}) == 6);
  CHECK(length({.max_new_tokens = 2, .max_length = 6}) == 5);
  CHECK(length({.beams = 3, .max_length = 6}) == 6);
  CHECK(length({.max_length = 100}) == 25);  // 24 positions, and the last token is never read
  CHECK(length({.beams = 2, .max_length = 100}) == 25);
  const auto first_end = [&](const GenerateOptions& o) {
    const Ids ids = generate(decoder, contexts(1), {prompt}, options(o))[0][0].ids;
    return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), kEnd) - ids.begin());
  };
  CHECK(first_end({.max_length = 20, .min_length = 11}) >= 11);
  CHECK(first_end({.beams = 3, .max_length = 20, .min_length = 11}) >= 11);
}

TEST_CASE("banned words and repeated n-grams do not appear", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const std::int64_t beams = GENERATE(1, 3);
  const auto free = generate(decoder, contexts(2), prompts(2), options({.beams = beams, .min_length = 12}));
  for (std::size_t picture = 0; picture < 2; ++picture) {
    const Ids ids = free[picture][0].ids;
    const Ids one{ids[3]}, two{ids[1], ids[2]};
    const Ids without =
        generate(decoder, contexts(2), prompts(2),
                 options({.beams = beams, .min_length = 12, .bad_words = {one, two, {kEnd}}}))[picture][0]
            .ids;
    CHECK(std::find(without.begin(), without.end(), one[0]) == without.end());
    CHECK(std::search(without.begin(), without.end(), two.begin(), two.end()) == without.end());
    const Ids unlike = generate(decoder, contexts(2), prompts(2),
                                options({.beams = beams, .min_length = 16, .no_repeat_ngram = 2}))[picture][0]
                           .ids;
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    for (std::size_t i = 0; i + 1 < unlike.size(); ++i) CHECK(seen.emplace(unlike[i], unlike[i + 1]).second);
  }
}

TEST_CASE("rules on scores, by hand", "[generate]") {
  const Ids first{3, 1, 2, 1}, second{0, 4, 4, 4};
  const auto after = [&](const GenerateOptions& o) {
    const Tensor scores = at::tensor({1.0f, -2.0f, 3.0f, 4.0f, -5.0f}).repeat({2, 1});
    apply_rules(scores, {&first, &second}, o);
    std::vector<std::vector<float>> rows(2);
    for (int r = 0; r < 2; ++r)
      for (int i = 0; i < 5; ++i) rows[static_cast<std::size_t>(r)].push_back(scores[r][i].item<float>());
    return rows;
  };
  using Rows = std::vector<std::vector<float>>;
  const float no = -INFINITY;
  CHECK(after({.repetition_penalty = 2}) == Rows{{1, -4, 1.5f, 2, -5}, {0.5f, -2, 3, 4, -10}});
  CHECK(after({.no_repeat_ngram = 1}) == Rows{{1, no, no, no, -5}, {no, -2, 3, 4, no}});
  CHECK(after({.no_repeat_ngram = 2}) == Rows{{1, -2, no, 4, -5}, {1, -2, 3, 4, no}});
  CHECK(after({.no_repeat_ngram = 3}) == Rows{{1, -2, 3, 4, -5}, {1, -2, 3, 4, no}});
  CHECK(after({.no_repeat_ngram = 9}) == Rows{{1, -2, 3, 4, -5}, {1, -2, 3, 4, -5}});
  CHECK(after({.bad_words = {{0}, {2, 1, 3}, {4, 2}, {9, 9, 9, 9, 9, 1}}}) ==
        Rows{{no, -2, 3, no, -5}, {no, -2, no, 4, -5}});
  CHECK(after({.min_length = 5, .end = 3}) == Rows{{1, -2, 3, no, -5}, {1, -2, 3, no, -5}});
  CHECK(after({.min_length = 4, .end = 3}) == Rows{{1, -2, 3, 4, -5}, {1, -2, 3, 4, -5}});
  CHECK(after({.bad_words = {{3}}, .end = 3}) == Rows{{1, -2, 3, 4, -5}, {1, -2, 3, 4, -5}});
}

TEST_CASE("temperature, top-k and top-p, by hand", "[generate]") {
  const Tensor scores = at::log_softmax(at::tensor({0.1f, 0.4f, 0.3f, 0.15f, 0.05f}).log(), -1).unsqueeze(0);
  const auto kept = [&](const GenerateOptions& o) {
    Ids ids;
    const Tensor row = warped(scores, o)[0];
    for (std::int64_t i = 0; i < 5; ++i)
      if (row[i].item<float>() > -INFINITY) ids.push_back(i);
    return ids;
  };
  CHECK(kept({}) == Ids{0, 1, 2, 3, 4});
  CHECK(kept({.top_k = 2}) == Ids{1, 2});
  CHECK(kept({.top_k = 99}) == Ids{0, 1, 2, 3, 4});
  CHECK(kept({.top_p = 0.69}) == Ids{1, 2});
  CHECK(kept({.top_p = 0.8}) == Ids{1, 2, 3});
  CHECK(kept({.top_p = 1e-6}) == Ids{1});
  CHECK(kept({.top_k = 4, .top_p = 0.5}) == Ids{1, 2});
  CHECK(warped(scores, {.temperature = 0.5})[0][1].item<float>() == Catch::Approx(2 * std::log(0.4)));
}

TEST_CASE("draws follow the distribution and depend on nothing but seed, picture, row and step", "[generate]") {
  const Tensor scores = at::tensor({0.1f, 0.4f, 0.0f, 0.5f}).log().unsqueeze(0);
  std::vector<int> count(4);
  for (std::uint64_t i = 0; i < 4000; ++i) ++count[static_cast<std::size_t>(draw(scores, {uniform(1, i, 0, 3)})[0])];
  CHECK(count[0] == Catch::Approx(400).margin(60));
  CHECK(count[1] == Catch::Approx(1600).margin(100));
  CHECK(count[2] == 0);
  CHECK(draw(scores, {1 - 1e-17})[0] == 3);
  CHECK(uniform(1, 2, 3, 4) == uniform(1, 2, 3, 4));
  CHECK(uniform(1, 2, 3, 4) != uniform(1, 2, 4, 3));

  const TextTransformer decoder = small_decoder();
  const auto sampled = [&](std::uint64_t seed, std::int64_t top_k) {
    return generate(decoder, contexts(2), prompts(2),
                    options({.returned = 3, .sample = true, .top_k = top_k, .seed = seed}));
  };
  CHECK(sampled(7, 0)[0][0].ids == sampled(7, 0)[0][0].ids);
  CHECK(sampled(7, 0)[0][0].ids != sampled(8, 0)[0][0].ids);
  CHECK(sampled(7, 0)[0][0].ids != sampled(7, 0)[0][1].ids);
  const Ids greedy = generate(decoder, contexts(2), prompts(2), options({}))[0][0].ids;
  const auto narrow = sampled(7, 1);
  for (const Sequence& sequence : narrow[0]) CHECK(sequence.ids == greedy);
}

TEST_CASE("a decoder without pictures is a language model", "[generate]") {
  const TextTransformer decoder = small_decoder(0);
  const auto single = generate(decoder, {}, {{kBegin, 4}}, options({.beams = 2}));
  const auto batch = generate(decoder, {}, {{kBegin, 4}, {kBegin, 9}, {6, 6}}, options({.beams = 2}));
  CHECK(same(single[0][0], batch[0][0]));
}

TEST_CASE("tokens are told as they are chosen, and generation stops when asked", "[generate]") {
  const TextTransformer decoder = small_decoder();
  std::vector<Ids> streamed(2);
  auto o = options({.max_new_tokens = 8, .on_token = [&](std::int64_t row, std::int64_t token) {
                      streamed.at(static_cast<std::size_t>(row)).push_back(token);
                    }});
  const auto results = generate(decoder, contexts(2), prompts(2), o);
  for (std::size_t i = 0; i < 2; ++i) CHECK(streamed[i] == Ids(results[i][0].ids.begin() + 1, results[i][0].ids.end()));
  const std::int64_t beams = GENERATE(1, 3);
  int steps = 0;
  const auto stopped = generate(decoder, contexts(2), prompts(2),
                                {.beams = beams, .returned = beams, .stop = [&] { return ++steps == 3; }});
  for (const auto& sequences : stopped) {
    REQUIRE(sequences.size() == static_cast<std::size_t>(beams));
    for (const Sequence& sequence : sequences) CHECK(sequence.ids.size() == 4);
  }
}

TEST_CASE("generate says what it cannot do", "[generate]") {
  const TextTransformer decoder = small_decoder();
  const auto with = [&](const GenerateOptions& o, const std::vector<Ids>& p = {{kBegin}}) {
    generate(decoder, contexts(1), p, o);
  };
  CHECK_THROWS_WITH(
      with({.returned = 2}),
      "generate: returned sequences: got 2, expected at most the number of beams, 1; raise the beams, or sample");
  CHECK_THROWS_WITH(with({.beams = 0}), "generate: beams: got 0, expected at least 1");
  CHECK_THROWS_WITH(with({.max_length = 1}),
                    "generate: max length 1 leaves no room behind the begin token and prompt, 1 tokens");
  CHECK_THROWS_WITH(
      with({.sample = true, .temperature = 0}),
      "generate: temperature: got 0.000000, expected more than 0; for the likeliest words leave sampling off");
  CHECK_THROWS_WITH(with({}, {{kBegin}, {kBegin}}), "generate: got 2 prompts for 1 pictures");
  CHECK_THROWS_WITH(with({}, {{kBegin, 99}}), "generate: prompts: got id 99, expected 0 to 30");
  CHECK_THROWS_WITH(with({}, {{}}), "generate: prompts: got none, expected at least one token for each picture");
}
