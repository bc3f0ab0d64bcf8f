#include "apps/evaluate/ptb_rules.h"

#include "text/unicode.h"

namespace limn {

namespace {

// The character classes of the reference's scanner were fixed when it was generated: letters and digits as Unicode 6.2
// had them, of the Basic Multilingual Plane only. Few have changed their category since.
constexpr UnicodeVersion kUnicode{6, 2};

bool is_scanner_letter(char16_t c) {
  if (c < 0x80) return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z');
  if (c == 0x1885 || c == 0x1886) return true;  // letters then, marks now
  if ((c >= 0x19B0 && c <= 0x19C0) || c == 0x19C8 || c == 0x19C9 || c == 0x1CF2 || c == 0x1CF3) {
    return false;  // marks then, letters now
  }
  return (c < 0xD800 || c > 0xDFFF) && is_letter(c, kUnicode);
}

bool is_scanner_digit(char16_t c) {
  if (c < 0x80) return c >= u'0' && c <= u'9';
  return is_decimal_digit(c, kUnicode);
}

// What else may stand in a word: the soft hyphen, accents, and the vowel signs of some scripts.
bool is_word_mark(char16_t c) {
  static const CharSet marks = one_of(
      u"\u00AD\u02C2-\u02C5\u02D2-\u02DF\u02E5-\u036F\u0375\u0378\u0379\u0384\u0385\u03F6\u0483-\u0487\u055A-\u055F"
      u"\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0615-\u061A\u064B-\u065E\u0670\u06D6-\u06E4\u06E7-\u06ED"
      u"\u06FD\u06FE\u070F\u0711\u0730-\u074C\u07A6-\u07B0\u07EB-\u07F3\u0900-\u0903\u093C\u093E-\u094E\u0951-\u0955"
      u"\u0962\u0963\u0981-\u0983\u09BC\u09BE-\u09C4\u09C7\u09C8\u09CB-\u09CD\u09D7\u09E2\u09E3\u0A01-\u0A03\u0A3C"
      u"\u0A3E-\u0A4F\u0A81-\u0A83\u0ABC\u0ABE-\u0ACF\u0B82\u0BBE-\u0BC2\u0BC6-\u0BC8\u0BCA-\u0BCD\u0C01-\u0C03"
      u"\u0C3E-\u0C56\u0D3E-\u0D44\u0D46-\u0D48\u0E31\u0E34-\u0E3A\u0E47-\u0E4E\u0EB1\u0EB4-\u0EBC\u0EC8-\u0ECD");
  return c >= 0x80 && marks(c);
}

// The vocabulary that the rules share. Small letters in literals match capitals too, capitals only themselves.
struct Parts {
  CharSet letter{is_scanner_letter};
  CharSet digit{is_scanner_digit};
  CharSet latin = one_of(u"A-Za-z");
  CharSet latin_or_digit = one_of(u"A-Za-z0-9");
  CharSet plain = letter | digit;                // of words in the narrow sense
  CharSet wide = plain | CharSet(is_word_mark);  // of words in the wide sense
  CharSet wide_letter = letter | CharSet(is_word_mark);
  CharSet blank = one_of(u" \t\u00A0\u2000-\u200A\u3000");
  CharSet gap = blank | one_of(u"\n\u0085");  // or the line's end
  Pattern pause = one_of(u",;:\u3001");       // a comma and its like: more of the sentence follows

  Pattern accented = Pattern(u"&") + one_of(u"aeiouAEIOU") + word_of(u"acute grave uml") + u";";
  Pattern word_begin = Pattern(wide_letter) | accented;
  Pattern word_rest = any(wide) + any(accented + any(wide));
  Pattern word = word_begin + word_rest + any(one_of(u".!?") + word_begin + word_rest);

  Pattern apostrophe = Pattern(one_of(u"'\u0092\u2019")) | u"&apos;";
  Pattern odd_apostrophe = apostrophe | one_of(u"`\u0091\u2018\u201B");  // what is typed instead of one
  Pattern clitic = apostrophe + (Pattern(one_of(u"msdMSD")) | word_of(u"re ve ll"));
  Pattern not_clitic = Pattern(u"n") + odd_apostrophe + u"t";

  // a.m, U.S, non-U.S: without the last period
  Pattern country = word_of(u"canada-u.s sino-u.s korean-u.s eu-u.s japan-u.s non-u.s u.s.-u.k u.s.-u.s.s.r");
  Pattern initials = (latin + some(Pattern(u".") + latin)) | country;
  Pattern acronym = Pattern(latin) | initials;

  Pattern tag_name = latin + any(one_of(u"A-Za-z0-9_:.-"));
  Pattern tag_value = (Pattern(u"'") + any(none_of(u"'")) + u"'") | (Pattern(u"\"") + any(none_of(u"\"")) + u"\"");
  Pattern attribute = some(one_of(u" ")) + tag_name + maybe(any(one_of(u" ")) + u"=" + any(one_of(u" ")) + tag_value);
  Pattern tag = Pattern(u"<") +
                ((one_of(u"!?") + one_of(u"A-Za-z-") + any(none_of(u">\r\n"))) |
                 (tag_name + any(attribute) + any(one_of(u" ")) + maybe(u"/")) | (Pattern(u"/") + tag_name)) +
                any(one_of(u" ")) + u">";
};

using Rules = std::vector<PtbRule>;

void add_words(const Parts& p, Rules& rules) {
  rules.push_back({u"c++"});
  rules.push_back({word_of(u"c# f#")});
  rules.push_back({u"cannot", PtbEdit::keep, {}, 3});
  rules.push_back({u"'twas", PtbEdit::keep, {}, 3});
  rules.push_back({word_of(u"'tis gonna gotta lemme gimme wanna"), PtbEdit::keep, {}, 2});
  rules.push_back({p.tag, PtbEdit::spaces});
  rules.push_back({word_of(u"&md; &mdash; &ndash;"), PtbEdit::mark});
  rules.push_back({one_of(u"\u0096\u0097\u2013-\u2015"), PtbEdit::mark});
  rules.push_back({u"&amp;", PtbEdit::entities});
  rules.push_back(
      {Pattern(u"&") + (word_of(u"ht tl ur lr qc ql qr odq cdq") | (Pattern(u"#") + some(one_of(u"0-9")))) + u";"});
  rules.push_back({p.word, PtbEdit::soft_hyphens, p.clitic});
  const CharSet soft = one_of(u"A-Za-z\u00AD");
  rules.push_back({any(soft) + one_of(u"A-MO-Za-mo-z") + any(one_of(u"\u00AD")), PtbEdit::soft_hyphens, p.not_clitic});
  rules.push_back({p.word, PtbEdit::soft_hyphens});
}

// Words that an apostrophe does not split.
void add_apostrophes(const Parts& p, Rules& rules) {
  const Pattern& mark = p.apostrophe;
  rules.push_back({mark + u"n" + maybe(mark)});  // rock 'n' roll
  rules.push_back({one_of(u"lLdDjJ") + mark});   // l'
  rules.push_back({word_of(u"dunkin somethin ol") + mark});
  rules.push_back({mark + word_of(u"em til till cause")});
  rules.push_back({one_of(u"A-HJ-XZn") + p.odd_apostrophe + times(p.letter, 2)});  // O'Neil
  rules.push_back({mark + one_of(u"2-9") + u"0s"});                                // '90s
  rules.push_back({some(p.letter) + one_of(u"aeiouyAEIOUY") + p.odd_apostrophe + one_of(u"aeiouA-Z") + any(p.letter)});
  rules.push_back({word_of(u"cont'd cont'd. 'twas nor'easter c'mon e'er s'mores ev'ry li'l nat'l")});
  rules.push_back({Pattern(u"o") + p.odd_apostrophe + u"o"});
  rules.push_back({Pattern(u"y") + mark, PtbEdit::keep, p.letter});  // y' all
}

void add_web(const Parts& p, Rules& rules) {
  const CharSet end = none_of(u" \t\n\f\r\"<>|.!?(){},-");
  const Pattern path = Pattern(u"/") + some(none_of(u" \t\n\f\r\"<>|()")) + end;
  rules.push_back({word_of(u"http:// https://") + some(none_of(u" \t\n\f\r\"<>|(){}")) + end});
  const Pattern www =
      Pattern(u"www.") + some(some(none_of(u" \t\n\f\r\"<>|.!?(){},")) + Pattern(u".")) + times(p.latin, 2, 4);
  // between the dots: no digits and no capitals, they lie between , and _
  const Pattern host = some(some(none_of(u" \t\n\f\r\"`'<>|.!?(){},-_$")) + Pattern(u"."));
  rules.push_back({(www | (host + word_of(u"com net org edu"))) + maybe(path)});
  const CharSet domain = none_of(u" \t\n\f\r\"<>|(){}.\u00A0");
  rules.push_back({maybe(word_of(u"&lt; <")) + p.latin_or_digit + any(none_of(u" \t\n\f\r\"<>|()\u00A0{}")) + u"@" +
                   any(some(domain) + Pattern(u".")) + some(domain) + maybe(word_of(u"&gt; >"))});
  rules.push_back({Pattern(u"@") + one_of(u"a-zA-Z_") + any(one_of(u"a-zA-Z_0-9"))});
  rules.push_back({Pattern(u"#") + some(p.word_begin)});
  rules.push_back({p.clitic, PtbEdit::quotes, none_of(u"A-Za-z")});
  rules.push_back({p.not_clitic, PtbEdit::quotes, none_of(u"A-Za-z")});
}

void add_numbers(const Parts& p, Rules& rules) {
  const CharSet& digit = p.digit;
  const Pattern slash = word_of(u"/ \\/ \u2044");
  rules.push_back({times(digit, 1, 2) + one_of(u"/-") + times(digit, 1, 2) + one_of(u"/-") + times(digit, 2, 4)});
  const Pattern points = any(digit) + some(one_of(u".:,\u00AD\u066B\u066C") + some(digit));
  rules.push_back({maybe(one_of(u"+-")) + (some(digit) | points), PtbEdit::soft_hyphens});
  rules.push_back({maybe(one_of(u"\u207A\u207B\u208A\u208B")) +
                   (some(one_of(u"\u2070\u00B9\u00B2\u00B3\u2074-\u2079")) | some(one_of(u"\u2080-\u2089")))});
  rules.push_back({maybe(times(digit, 1, 4) + one_of(u" \u00A0-")) + times(digit, 1, 4) + slash + times(digit, 1, 4),
                   PtbEdit::spaces});
  rules.push_back({one_of(u"\u00BC-\u00BE\u2153-\u215E"), PtbEdit::fractions});
  const Pattern ampersand = word_of(u"& &amp;");
  rules.push_back({(Pattern(u"-") + word_of(u"rrb lrb rcb lcb rsb lsb") + u"-") | word_of(u"c.d.s pro- anti-") |
                       (Pattern(u"s") + ampersand + word_of(u"p-500 ls")) | (Pattern(u"cap") + p.apostrophe + u"n") |
                       (Pattern(u"c") + p.apostrophe + u"est"),
                   PtbEdit::entities});
  const Pattern hyphened = some(p.latin_or_digit) + times(Pattern(u"-") + some(p.latin), 0, 2);
  rules.push_back({hyphened + times(word_of(u"/ \\/") + hyphened, 1, 2)});  // and/or
  rules.push_back({(any(one_of(u"A-Z")) + u"$") | u"#"});
  rules.push_back(
      {one_of(u"\u00A2-\u00A5\u0080\u20A0\u20AC\u060B\u0E3F\u20A4\uFFE0\uFFE1\uFFE5\uFFE6"), PtbEdit::currency});
}

// Abbreviations that keep their period.
void add_abbreviations(const Parts& p, Rules& rules) {
  // A single initial before a word that begins sentences: the period is the sentence's.
  const Pattern opener = word_of(
      u"About According Additionally After An A As At But Earlier He Her Here However If In It Last Many More Mr. Ms. "
      u"Now Once One Other Our She Since So Some Such That The Their Then There These They This We When While What Yet "
      u"You");
  const Pattern sentence = some(p.gap) + (opener | p.tag) + p.gap;
  rules.push_back({p.latin + Pattern(u"."), PtbEdit::keep, sentence, 1});
  rules.push_back({p.initials + u".", PtbEdit::keep, sentence});
  rules.push_back(
      {word_of(u"ca. fig. figs. prop. no. nos. art. bldg. pp. op."), PtbEdit::keep, maybe(p.gap) + p.digit});
  rules.push_back({word_of(u"pty. pte. co."), PtbEdit::keep, p.blank + word_of(u"ltd lim")});
  // Months, days, states, companies, ranks after a name: more often than not something small follows.
  const Pattern usual =
      word_of(
          u"jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri "
          u"ala ariz Az Ark calif colo conn ct dak Del fla ga Ill ind kan kans ky La Mass md mich minn Miss mo mont "
          u"neb nev okla Ore Pa penn tenn Tex va vt Wash wis wisc wyo "
          u"inc co cos corp ltd plc rt bancorp bhd assn univ intl sys tel est ext sq "
          u"jr sr bros ed.d ph.d blvd rd esq etc al seq bldg") |
      (word_of(u"pt ppt") + one_of(u"ye") + maybe(u"s"));
  rules.push_back({usual + u".", PtbEdit::keep, times(none_of(u""), 2, 2)});
  // Titles and the like: a name follows.
  const Pattern title =
      word_of(
          u"mr mrs ms Miss dr drs prof profs sen sens rep reps atty attys lt col gen messrs gov govs adm rev maj sgt "
          u"cpl pvt capt st ste ave pres lieut hon brig comdr cmdr pfc spc supt supts det mt ft adj adv asst assoc "
          u"ens insp mlle mme msgr sfc vs alex wm jos cie a.k.a cf treas ph invt elec natl dept") |
      (Pattern(u"m") + one_of(u"ft") + u"g") | p.acronym;
  rules.push_back({title + u"."});
  rules.push_back({title, PtbEdit::keep, p.blank});
  rules.push_back({p.acronym, PtbEdit::keep, p.gap});
  rules.push_back({p.apostrophe + times(one_of(u"0-9"), 2, 2), PtbEdit::keep, p.gap});  // '08
  const Pattern name = some(Pattern(p.wide) | p.accented);
  rules.push_back(
      {name + any(Pattern(u".") + name) + u"." +
           word_of(u"bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf "
                   u"php pl png ppt ps py sql tar txt wav x xml zip"),
       PtbEdit::keep, p.gap | one_of(u".?!,")});
  rules.push_back({p.word + u".", PtbEdit::soft_hyphens, p.pause});
}

void add_marks(const Parts& p, Rules& rules) {
  const CharSet digit = one_of(u"0-9"), dash = one_of(u" \u00A0-");
  const Pattern plus = maybe(word_of(u"+ ++"));
  const Pattern area = (Pattern(u"(") + times(digit, 2, 3) + u")" + maybe(one_of(u" \u00A0"))) |
                       (plus + maybe(times(digit, 2, 4) + dash) + times(digit, 2, 4) + dash);
  rules.push_back({(area + times(digit, 3, 4) + maybe(dash) + times(digit, 3, 5)) |
                       (maybe(plus + times(digit, 2, 4) + u".") + times(digit, 2, 4) + u"." + times(digit, 3, 4) +
                        u"." + times(digit, 3, 5)),
                   PtbEdit::smiley});
  rules.push_back({word_of(u"\" &quot;"), PtbEdit::quotes, p.latin_or_digit | one_of(u"$")});
  rules.push_back({word_of(u"\" &quot;"), PtbEdit::quotes});
  rules.push_back({word_of(u"< > &lt; &gt;"), PtbEdit::entities});
  rules.push_back({maybe(one_of(u"<>")) + one_of(u":;=") + maybe(one_of(u"o*'-")) + one_of(u"()DPdpO\\{@|[]"),
                   PtbEdit::smiley, none_of(u"A-Za-z0-9")});
  const CharSet eye = one_of(u"^x=~<>"), sly = one_of(u"^x=~<>'-");
  rules.push_back({(sly + u"_" + sly) | (Pattern(u"(") + sly + maybe(one_of(u"_.")) + sly + u")") |
                       (Pattern(u"(") + (eye | one_of(u"'")) + u"-" + (eye | one_of(u"'`")) + u")"),
                   PtbEdit::smiley});
  // a slip of the reference's grammar, where a tilde means "up to"
  rules.push_back({eye + u".[^x=" + any(none_of(u"<")) + u"<>]", PtbEdit::smiley});
  rules.push_back({one_of(u"(){}[]"), PtbEdit::brackets});
  rules.push_back({times(one_of(u"-"), 5)});
  rules.push_back({times(one_of(u"-"), 1, 4), PtbEdit::mark});
  rules.push_back(
      {times(one_of(u"."), 3, 5) | (times(Pattern(u".") + one_of(u" \u00A0"), 2, 4) + u".") | one_of(u"\u0085\u2026"),
       PtbEdit::mark});
  for (const char16_t* mark : {u"@", u"#", u"_", u"*"}) rules.push_back({some(one_of(mark))});
  rules.push_back({times(u"\\*", 1, 3)});
  rules.push_back({p.pause});
  rules.push_back({some(one_of(u"?!"))});
  rules.push_back({one_of(u".=/\u00A1\u00BF\u037E\u0589\u061F\u06D4\u0700-\u0702\u07FA\u3002")});
}

// What joins words: hyphens, ampersands, commas within.
void add_compounds(const Parts& p, Rules& rules) {
  const CharSet soft = p.latin_or_digit | one_of(u"\u00AD");
  const Pattern english =
      p.latin_or_digit + any(soft | one_of(u".,")) + some(Pattern(u"-") + (some(soft) | (p.initials + u".")));
  const Pattern part = maybe(one_of(u"dDoOlL") + p.odd_apostrophe + p.plain) + some(p.plain);  // o'clock
  const Pattern foreign = part + any(one_of(u"_\u058A\u2010\u2011-") + part);
  const Pattern capitals = some(one_of(u"A-Z"));
  const Pattern company = capitals + some(word_of(u"+ & &amp;") + capitals);  // AT&T
  for (const auto& [body, edit] : {std::pair{english, PtbEdit::soft_hyphens}, std::pair{foreign, PtbEdit::keep},
                                   std::pair{company, PtbEdit::entities}}) {
    rules.push_back({body + u".", edit, p.pause});
    rules.push_back({body, edit});
  }
}

// What is left: quotes, symbols, white space, and all that the reference deletes with a warning.
void add_rest(const Parts& p, Rules& rules) {
  rules.push_back({u"'", PtbEdit::mark, p.latin + none_of(u" \t\n\r\u00A0")});
  rules.push_back({p.clitic, PtbEdit::quotes});
  rules.push_back({p.not_clitic, PtbEdit::quotes});
  rules.push_back({p.apostrophe | u"''" | times(one_of(u"`\u2018-\u201F\u0091-\u0094\u2039\u203A\u00AB\u00BB"), 1, 2),
                   PtbEdit::quotes});
  rules.push_back({word_of(u"<< >>")});
  rules.push_back(
      {one_of(u"+%&~^|\\\u00A6-\u00A9\u00AC\u00AE-\u00BA\u00D7\u00F7\u0387\u05BE\u05C0\u05C3\u05C6\u05F3"
              u"\u05F4\u0600-\u0603\u0606-\u060A\u060C\u0614\u061B\u061E\u066A\u066D\u0703-\u070D\u07F6-\u07F8"
              u"\u0964\u0965\u0E4F\u1FBD\u2016\u2017\u2020-\u2023\u2030-\u2038\u203B\u203E-\u2042\u2044"
              u"\u207A-\u207F\u208A-\u208E\u2100-\u214F\u2190-\u2BFF\u3012\u30FB\uFF01-\uFF0F\uFF1A-\uFF20"
              u"\uFF3B-\uFF40\uFF5B-\uFF65")});
  rules.push_back({some(p.blank), PtbEdit::drop});
  rules.push_back({u"&nbsp;", PtbEdit::drop});
  rules.push_back({none_of(u""), PtbEdit::drop});
}

}  // namespace

const std::vector<PtbRule>& ptb_rules() {
  static const Rules rules = [] {
    const Parts parts;
    Rules all;
    add_words(parts, all);
    add_apostrophes(parts, all);
    add_web(parts, all);
    add_numbers(parts, all);
    add_abbreviations(parts, all);
    add_marks(parts, all);
    add_compounds(parts, all);
    add_rest(parts, all);
    return all;
  }();
  return rules;
}

}  // namespace limn
