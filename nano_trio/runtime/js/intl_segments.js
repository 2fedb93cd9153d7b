// Where characters, words and sentences end: Unicode Standard Annex #29, https://www.unicode.org/reports/tr29/
//
// Each of the three functions is given a text and where a segment begins, and returns where it ends; what stands before has no say. A
// character's class is found by the engine's properties, as the annex derives it, and by what it lists besides, and kept.
// There are no dictionaries: of Thai, Lao, Khmer and Burmese, Chinese and Japanese, each character is a word, and of Katakana each row.
(platform) => {
  "use strict";
  const { uncurry, constructors, statics } = platform;
  const { Map, RegExp } = constructors;
  const { fromCodePoint } = statics.String;
  const test = uncurry("RegExp", "test");
  const codePointAt = uncurry("String", "codePointAt");
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const MOST_KEPT = 4096;
  const setOf = (text) => new RegExp(`^[${text}]$`, "u");

  /** A function that gives the class of the character at a place, and keeps what `classOf` says of it. */
  function kept(classOf) {
    let known = new Map();
    let count = 0;
    return (text, at) => {
      const code = codePointAt(text, at);
      let found = get(known, code);
      if (found === undefined) {
        if (++count > MOST_KEPT) {
          known = new Map();
          count = 1;
        }
        set(known, code, (found = classOf(fromCodePoint(code), code)));
      }
      return found;
    };
  }
  const after = (text, at) => at + (codePointAt(text, at) > 0xffff ? 2 : 1);

  const GRAPHEME_EXTEND = setOf("\\p{Grapheme_Extend}");
  const EXTEND = setOf("\\p{Grapheme_Extend}\\p{Emoji_Modifier}");
  const PICTOGRAPH = setOf("\\p{Extended_Pictographic}");
  const INDICATOR = setOf("\\p{Regional_Indicator}");
  const FORMAT = setOf("\\p{Cf}");
  const MARK = setOf("\\p{Mc}");
  /** Prepended_Concatenation_Mark, which the engine does not name. */
  const BEFORE_NUMBERS = setOf("\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u{110bd}\\u{110cd}");
  const NO_BREAK = 0x200c;
  const JOINER = 0x200d;

  // -- 3.1 Grapheme clusters --------------------------------------------------------------------------------------------------------
  const CONTROL = setOf("\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}");
  const UNASSIGNED = setOf("\\p{Cn}");
  const IGNORABLE = setOf("\\p{Default_Ignorable_Code_Point}");
  const NO_SPACING = setOf(
    "\\u102b\\u102c\\u1038\\u1062-\\u1064\\u1067-\\u106d\\u1083\\u1087-\\u108c\\u108f\\u109a-\\u109c\\u1a61\\u1a63\\u1a64\\uaa7b\\uaa7d" +
      "\\u{11720}\\u{11721}",
  );
  const PREPEND = setOf(
    "\\u0d4e\\u{111c2}\\u{111c3}\\u{1193f}\\u{11941}\\u{11a3a}\\u{11a84}-\\u{11a89}\\u{11d46}\\u{11f02}",
  );
  const CONSONANT = setOf(
    "\\u0915-\\u0939\\u0958-\\u095f\\u0978-\\u097f\\u0995-\\u09a8\\u09aa-\\u09b0\\u09b2\\u09b6-\\u09b9\\u09dc\\u09dd\\u09df\\u09f0\\u09f1" +
      "\\u0a95-\\u0aa8\\u0aaa-\\u0ab0\\u0ab2\\u0ab3\\u0ab5-\\u0ab9\\u0af9\\u0b15-\\u0b28\\u0b2a-\\u0b30\\u0b32\\u0b33\\u0b35-\\u0b39" +
      "\\u0b5c\\u0b5d\\u0b5f\\u0b71\\u0c15-\\u0c28\\u0c2a-\\u0c39\\u0c58-\\u0c5a\\u0d15-\\u0d3a",
  );
  const LINKER = setOf("\\u094d\\u09cd\\u0acd\\u0b4d\\u0c4d\\u0d4d");
  const within = (code, least, most) => code >= least && code <= most;

  const clusterClass = kept((character, code) => {
    if (code === 13) return "CR";
    if (code === 10) return "LF";
    if (within(code, 32, 126)) return "";
    if (code === JOINER) return "ZWJ";
    if (test(LINKER, character)) return "Linker";
    if (test(EXTEND, character)) return "Extend";
    if (test(BEFORE_NUMBERS, character) || test(PREPEND, character)) return "Prepend";
    if (test(CONTROL, character) || (test(IGNORABLE, character) && test(UNASSIGNED, character))) return "Control";
    if ((test(MARK, character) && !test(NO_SPACING, character)) || code === 0x0e33 || code === 0x0eb3) return "SpacingMark";
    if (test(INDICATOR, character)) return "RI";
    if (test(PICTOGRAPH, character)) return "Pictograph";
    if (within(code, 0x1100, 0x115f) || within(code, 0xa960, 0xa97c)) return "L";
    if (within(code, 0x1160, 0x11a7) || within(code, 0xd7b0, 0xd7c6)) return "V";
    if (within(code, 0x11a8, 0x11ff) || within(code, 0xd7cb, 0xd7fb)) return "T";
    if (within(code, 0xac00, 0xd7a3)) return (code - 0xac00) % 28 === 0 ? "LV" : "LVT";
    return test(CONSONANT, character) ? "Consonant" : "";
  });
  const ends = (kind) => kind === "CR" || kind === "LF" || kind === "Control";
  function endOfCluster(text, at) {
    let last = clusterClass(text, at);
    let end = after(text, at);
    let indicators = last === "RI" ? 1 : 0;
    // Whether it began so, and what has come since: for GB11 and GB9c.
    let pictograph = last === "Pictograph";
    let consonant = last === "Consonant";
    let isLinked = false;
    while (end < text.length) {
      const next = clusterClass(text, end);
      if (last === "CR" && next === "LF") return end + 1; // GB3
      if (ends(last) || ends(next)) return end; // GB4, GB5
      const extends_ = next === "Extend" || next === "ZWJ" || next === "Linker";
      const goesOn =
        (last === "L" && (next === "L" || next === "V" || next === "LV" || next === "LVT")) || // GB6
        ((last === "LV" || last === "V") && (next === "V" || next === "T")) || // GB7
        ((last === "LVT" || last === "T") && next === "T") || // GB8
        extends_ || next === "SpacingMark" || // GB9, GB9a
        last === "Prepend" || // GB9b
        (consonant && isLinked && next === "Consonant") || // GB9c
        (pictograph && last === "ZWJ" && next === "Pictograph") || // GB11
        (last === "RI" && next === "RI" && indicators % 2 === 1); // GB12
      if (!goesOn) return end;
      if (next === "RI") indicators++;
      if (next === "Pictograph") pictograph = true;
      else if (!extends_) pictograph = false;
      if (next === "Linker") isLinked = true;
      else if (next === "Consonant") {
        consonant = true;
        isLinked = false;
      } else if (!extends_ || codePointAt(text, end) === NO_BREAK) consonant = false;
      last = next;
      end = after(text, end);
    }
    return end;
  }

  // -- 4.1 Words ------------------------------------------------------------------------------------------------------------------------
  const LETTER = setOf(
    "\\p{Alphabetic}\\u02c2-\\u02c5\\u02d2-\\u02d7\\u02de\\u02df\\u02e5-\\u02eb\\u02ed\\u02ef-\\u02ff\\u055a-\\u055c\\u055e\\u058a\\u05f3\\u070f" +
      "\\ua708-\\ua716\\ua720\\ua721\\ua789\\ua78a\\uab5b",
  );
  /** Of these scripts dictionaries would tell the words. */
  const OF_A_DICTIONARY = setOf(
    "\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}\\p{Script=Tai_Le}\\p{Script=New_Tai_Lue}\\p{Script=Tai_Tham}\\p{Script=Tai_Viet}" +
      "\\p{Script=Ahom}",
  );
  const IDEOGRAPH = setOf("\\p{Ideographic}\\p{Script=Hiragana}");
  const KATAKANA = setOf("\\p{Script=Katakana}\\u3031-\\u3035\\u309b\\u309c\\u30a0\\u30fc\\uff70");
  const HEBREW = setOf("\\p{Script=Hebrew}");
  const OTHER_LETTER = setOf("\\p{Lo}");
  const DIGIT = setOf("\\p{Nd}\\u066b");
  const CONNECTOR = setOf("\\p{Pc}\\u202f");
  const MID_BOTH = setOf(".\\u2018\\u2019\\u2024\\ufe52\\uff07\\uff0e");
  const MID_LETTER = setOf(":\\ufe55\\uff1a\\u00b7\\u0387\\u055f\\u05f4\\u2027\\ufe13");
  const MID_NUMBER = setOf(",;\\u037e\\u0589\\u060c\\u060d\\u066c\\u07f8\\u2044\\ufe10\\ufe14\\ufe50\\ufe54\\uff0c\\uff1b");
  const SPACE = setOf(" \\u1680\\u2000-\\u2006\\u2008-\\u200a\\u205f\\u3000");
  const NEWLINE = setOf("\\n\\v\\f\\u0085\\u2028\\u2029");
  const isFormat = (character, code) =>
    test(FORMAT, character) && code !== 0x200b && code !== NO_BREAK && code !== JOINER && !test(BEFORE_NUMBERS, character);

  const wordClass = kept((character, code) => {
    if (code === 13) return "CR";
    if (test(NEWLINE, character)) return "Newline";
    if (code === JOINER) return "ZWJ";
    if (test(EXTEND, character) || test(MARK, character)) return "Extend";
    if (isFormat(character, code)) return "Format";
    if (test(SPACE, character)) return "Space";
    if (test(INDICATOR, character)) return "RI";
    if (character === "'") return "Single";
    if (character === '"') return "Double";
    if (test(MID_BOTH, character)) return "MidBoth";
    if (test(MID_LETTER, character)) return "MidLetter";
    if (test(MID_NUMBER, character)) return "MidNumber";
    if (test(DIGIT, character) || (test(BEFORE_NUMBERS, character) && code !== 0x070f)) return "Number";
    if (test(CONNECTOR, character)) return "Connector";
    if (test(KATAKANA, character)) return "Katakana";
    if (test(IDEOGRAPH, character) || test(OF_A_DICTIONARY, character)) return "Ideograph";
    if (test(HEBREW, character) && test(OTHER_LETTER, character)) return "Hebrew";
    return test(LETTER, character) ? "Letter" : "";
  });
  const ignored = (kind) => kind === "Extend" || kind === "Format" || kind === "ZWJ";
  const isLetter = (kind) => kind === "Letter" || kind === "Hebrew";
  const isBetweenLetters = (kind) => kind === "MidLetter" || kind === "MidBoth" || kind === "Single";
  const isBetweenNumbers = (kind) => kind === "MidNumber" || kind === "MidBoth" || kind === "Single";
  const joinsConnector = (kind) => isLetter(kind) || kind === "Number" || kind === "Katakana" || kind === "Connector";
  /** The class of what follows the character at a place, without what is ignored; "" at the end. */
  function classBehind(classAt, text, at) {
    for (at = after(text, at); at < text.length; at = after(text, at)) {
      const kind = classAt(text, at);
      if (!ignored(kind)) return kind;
    }
    return "";
  }
  function staysInWord(text, end, before, last, next, indicators) {
    if (isLetter(last)) {
      if (isLetter(next) || next === "Number" || (last === "Hebrew" && next === "Single")) return true; // WB5, WB9, WB7a
      if (isBetweenLetters(next) && isLetter(classBehind(wordClass, text, end))) return true; // WB6
      if (last === "Hebrew" && next === "Double" && classBehind(wordClass, text, end) === "Hebrew") return true; // WB7b
    }
    if (last === "Number") {
      if (next === "Number" || isLetter(next)) return true; // WB8, WB10
      if (isBetweenNumbers(next) && classBehind(wordClass, text, end) === "Number") return true; // WB12
    }
    return (
      (isBetweenLetters(last) && isLetter(before) && isLetter(next)) || // WB7
      (last === "Double" && before === "Hebrew" && next === "Hebrew") || // WB7c
      (isBetweenNumbers(last) && before === "Number" && next === "Number") || // WB11
      (last === "Katakana" && next === "Katakana") || // WB13
      (next === "Connector" && joinsConnector(last)) || // WB13a
      (last === "Connector" && joinsConnector(next)) || // WB13b
      (last === "RI" && next === "RI" && indicators % 2 === 1) // WB15
    );
  }
  function endOfWord(text, at) {
    // What came last, with and without what is ignored (WB4), and what came before that.
    let raw = wordClass(text, at);
    let last = raw;
    let before = "";
    let end = after(text, at);
    if (raw === "CR" && text[end] === "\n") return end + 1; // WB3
    if (raw === "CR" || raw === "Newline") return end; // WB3a
    let indicators = raw === "RI" ? 1 : 0;
    for (; end < text.length; end = after(text, end)) {
      const next = wordClass(text, end);
      if (next === "CR" || next === "Newline") return end; // WB3b
      const joins = raw === "ZWJ" && test(PICTOGRAPH, fromCodePoint(codePointAt(text, end))); // WB3c
      const isSpace = raw === "Space" && next === "Space"; // WB3d
      raw = next;
      if (ignored(next)) continue;
      if (!joins && !isSpace && !staysInWord(text, end, before, last, next, indicators)) return end;
      if (next === "RI") indicators++;
      before = last;
      last = next;
    }
    return end;
  }
  /** Whether there is something of a word in it. */
  function isWord(text, at, end) {
    for (; at < end; at = after(text, at)) {
      const kind = wordClass(text, at);
      if (isLetter(kind) || kind === "Number" || kind === "Katakana" || kind === "Ideograph") return true;
    }
    return false;
  }

  // -- 5.1 Sentences --------------------------------------------------------------------------------------------------------------------
  const SEPARATOR = setOf("\\u0085\\u2028\\u2029");
  const WHITE = setOf("\\p{White_Space}");
  const LOWER = setOf("\\p{Lowercase}");
  const UPPER = setOf("\\p{Lt}\\p{Uppercase}");
  const ANY_LETTER = setOf("\\p{Alphabetic}\\u05f3");
  const FULL_STOP = setOf(".\\u2024\\ufe52\\uff0e");
  const TERMINATOR = setOf("\\p{Sentence_Terminal}");
  const CONTINUES = setOf(
    ",\\-:;\\u037e\\u055d\\u060c\\u060d\\u07f8\\u1802\\u1808\\u2013\\u2014\\u3001\\ufe10\\ufe11\\ufe13\\ufe14\\ufe31\\ufe32\\ufe50\\ufe51\\ufe54\\ufe55" +
      "\\ufe58\\ufe63\\uff0c\\uff0d\\uff1a\\uff1b\\uff64",
  );
  const CLOSES = setOf("\\p{Ps}\\p{Pe}\\p{Pi}\\p{Pf}\"'\\u275b-\\u2760\\u{1f676}-\\u{1f678}");

  const sentenceClass = kept((character, code) => {
    if (code === 13) return "CR";
    if (code === 10 || test(SEPARATOR, character)) return "Sep";
    if (code === JOINER || test(GRAPHEME_EXTEND, character) || test(MARK, character)) return "Extend";
    if (isFormat(character, code)) return "Format";
    if (test(WHITE, character)) return "Sp";
    if (test(LOWER, character)) return "Lower";
    if (test(UPPER, character)) return "Upper";
    if (test(DIGIT, character) || code === 0x066c || (test(BEFORE_NUMBERS, character) && code !== 0x070f)) return "Number";
    if (test(ANY_LETTER, character)) return "Letter";
    if (test(FULL_STOP, character)) return "Stop";
    if (test(TERMINATOR, character)) return "Terminator";
    if (test(CONTINUES, character)) return "Continue";
    return test(CLOSES, character) ? "Close" : "";
  });
  /** SB8: whether a small letter follows, before what would begin or end another sentence. */
  function goesOnSmall(text, at) {
    for (; at < text.length; at = after(text, at)) {
      const kind = sentenceClass(text, at);
      if (kind === "Lower") return true;
      if (kind === "Letter" || kind === "Upper" || kind === "CR" || kind === "Sep" || kind === "Stop" || kind === "Terminator") return false;
    }
    return false;
  }
  function endOfSentence(text, at) {
    // Which mark may have ended it, and what came since: nothing, what closes, or spaces.
    let mark = "";
    let since = "";
    let before = "";
    let last = "";
    for (let end = at; end < text.length; end = after(text, end)) {
      const next = sentenceClass(text, end);
      if (last === "CR") return next === "Sep" && text[end] === "\n" ? end + 1 : end; // SB3, SB4
      if (last === "Sep") return end;
      if (next === "Extend" || next === "Format") {
        if (end === at) last = next;
        continue; // SB5
      }
      if (mark !== "") {
        const stays =
          next === "CR" || next === "Sep" || next === "Sp" || (next === "Close" && since !== "Sp") || // SB9, SB10
          next === "Continue" || next === "Stop" || next === "Terminator" || // SB8a
          (mark === "Stop" && since === "" && (next === "Number" || (next === "Upper" && (before === "Upper" || before === "Lower")))) || // SB6, SB7
          (mark === "Stop" && goesOnSmall(text, end)); // SB8
        if (!stays) return end; // SB11
        if (next === "Sp" || next === "Close") since = next;
        else mark = since = "";
      }
      if (next === "Stop" || next === "Terminator") {
        mark = next;
        since = "";
        before = last;
      }
      last = next;
    }
    return text.length;
  }

  return { __proto__: null, endOfCluster, endOfWord, isWord, endOfSentence };
}
