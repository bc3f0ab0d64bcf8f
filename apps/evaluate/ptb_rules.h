#pragma once

#include <cstddef>
#include <vector>

#include "apps/evaluate/pattern.h"

namespace limn {

/// What becomes of a matched piece of text.
enum class PtbEdit {
  keep,
  drop,          ///< white space, and what the scanner does not know
  mark,          ///< becomes a mark that never counts
  soft_hyphens,  ///< U+00AD are taken out
  spaces,        ///< spaces become U+00A0
  smiley,        ///< spaces become U+00A0, round brackets -LRB- and -RRB-: telephone numbers too
  brackets,      ///< ( ) { } [ ] become -LRB- and so on
  entities,      ///< &amp; &lt; &gt; become what they stand for
  currency,      ///< ¢ cents, £ #, € and ¤ $
  fractions,     ///< ¼ becomes 1/4, and so on
  quotes,        ///< quotes of all kinds become `` '' ` '
};

/// One rule of the scanner.
struct PtbRule {
  Pattern body;
  PtbEdit edit = PtbEdit::keep;
  Pattern ahead = {};    ///< what must follow; counts towards the length by which rules compete, but is not consumed
  std::size_t back = 0;  ///< units at the body's end that are left to the next token
};

/// The rules in order of precedence. At each place the one that matches longest wins, the earlier on a tie; the last
/// matches any single unit.
const std::vector<PtbRule>& ptb_rules();

}  // namespace limn
