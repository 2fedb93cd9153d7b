// Which selectors match: the open elements of HTMLRewriter, and what their descendants may still match.
//
// Selectors are followed from left to right. Where an element matches a compound that is not the last of its chain, the
// next compound waits in the element: for its children after ">", else for all its descendants. So no ancestor is ever
// looked at again. The nesting is that of the tags: an element ends at its end tag or at that of an element around it;
// where HTML implies an end tag (<li>a<li>b) it is nested, and an end tag without a start is nothing.
(platform) => {
  "use strict";
  const { uncurry, load } = platform;
  const slice = uncurry("Array", "slice");
  const { passes } = load("htmlrewriter_selectors");
  const EMPTY = [];

  /** Put `registration` into a list in the order of registration, once. */
  function insert(list, registration) {
    let at = list.length;
    while (at > 0 && list[at - 1].order > registration.order) at--;
    if (at > 0 && list[at - 1] === registration) return;
    for (let i = list.length; i > at; i--) list[i] = list[i - 1];
    list[at] = registration;
  }
  function has(list, compound) {
    for (let i = 0; i < list.length; i++) if (list[i] === compound) return true;
    return false;
  }

  class Matcher {
    /** `chains`: the first compounds of all selectors; `options`: what of the rest must be kept for them. */
    constructor(chains, options) {
      this.chains = chains;
      this.countsChildren = options.countsChildren;
      this.countsTypes = options.countsTypes;
      this.hasCombinators = options.hasCombinators;
      // By depth, at 0 the document: names, what the rewriter keeps of elements, waiting compounds, children so far
      this.depth = 0;
      this.infos = [null];
      this.frames = [null];
      this.forDescendants = [EMPTY];
      this.forChildren = [EMPTY];
      this.children = [0];
      this.types = [null];
      // Compounds that wait for the content of the element whose tag was matched last
      this.nextDescendants = this.nextChildren = EMPTY;
    }
    /** The registrations whose selectors match the start tag the tokenizer is at, in order; EMPTY for none. */
    match(tokenizer) {
      const { info } = tokenizer;
      const { depth } = this;
      let child = 0;
      let ofType = 0;
      if (this.countsChildren) child = ++this.children[depth];
      if (this.countsTypes) {
        const types = (this.types[depth] ??= { __proto__: null });
        ofType = types[info.name] = (types[info.name] ?? 0) + 1;
      }
      const candidates = info.candidates ?? this.findCandidates(info);
      if (!this.hasCombinators) {
        return candidates.length === 0 ? EMPTY : this.select(candidates, tokenizer, child, ofType, EMPTY);
      }
      this.nextDescendants = this.forDescendants[depth];
      this.nextChildren = EMPTY;
      const { nextDescendants } = this;
      let matched = this.select(candidates, tokenizer, child, ofType, EMPTY);
      matched = this.select(nextDescendants, tokenizer, child, ofType, matched);
      return this.select(this.forChildren[depth], tokenizer, child, ofType, matched);
    }
    /** Those first compounds that an element of the name may match. */
    findCandidates(info) {
      const { chains } = this;
      const candidates = [];
      for (let i = 0; i < chains.length; i++) {
        if (chains[i].name === null || chains[i].name === info.name) candidates[candidates.length] = chains[i];
      }
      return (info.candidates = candidates);
    }
    select(compounds, tokenizer, child, ofType, matched) {
      const { name } = tokenizer.info;
      for (let i = 0; i < compounds.length; i++) {
        const compound = compounds[i];
        if (compound.name !== null && compound.name !== name) continue;
        if (compound.tests.length !== 0 && !passes(compound, tokenizer, child, ofType)) continue;
        const { next } = compound;
        if (next === null) {
          if (matched === EMPTY) matched = [compound.registration];
          else insert(matched, compound.registration);
        } else if (compound.isChild) {
          if (this.nextChildren === EMPTY) this.nextChildren = [next];
          else if (!has(this.nextChildren, next)) this.nextChildren[this.nextChildren.length] = next;
        } else if (!has(this.nextDescendants, next)) {
          // The list is shared with the parent until it differs.
          this.nextDescendants = slice(this.nextDescendants);
          this.nextDescendants[this.nextDescendants.length] = next;
        }
      }
      return matched;
    }
    /** The element of the tag that was matched last is open. */
    push(info, frame) {
      const depth = ++this.depth;
      info.open++;
      this.infos[depth] = info;
      this.frames[depth] = frame;
      if (this.hasCombinators) {
        this.forDescendants[depth] = this.nextDescendants;
        this.forChildren[depth] = this.nextChildren;
      }
      if (this.countsChildren) this.children[depth] = 0;
      if (this.countsTypes) this.types[depth] = null;
    }
    /** Close the innermost element: what the rewriter keeps of it. */
    pop() {
      const { depth } = this;
      const frame = this.frames[depth];
      this.infos[depth].open--;
      if (frame !== null) this.frames[depth] = null;
      this.depth = depth - 1;
      return frame;
    }
    /** Is the innermost element one of that name? */
    isInnermost(info) {
      return this.infos[this.depth] === info;
    }
  }

  return { __proto__: null, Matcher };
}
