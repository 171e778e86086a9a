import { untrack } from 'svelte';

/** The part of a long list that has to exist. */
export interface Window {
  from: number;
  to: number;
  /** Where its first row begins, in pixels. */
  offset: number;
}

/** Rows that exist beyond each edge of what is seen, so that scrolling shows no gap. */
const BEYOND = 6;

/**
 * Heights of the rows of a long list: guessed until measured. Offsets come from a Fenwick tree, so that ten thousand rows
 * of different heights cost a logarithm.
 */
export class Rows {
  #guess: number;
  #heights: number[] = [];
  #tree: number[] = [0];
  #version = $state(0);

  constructor(guess: number) {
    this.#guess = guess;
  }

  /** Of all rows, in pixels. */
  get total(): number {
    return this.offset(this.length);
  }

  get length(): number {
    this.#follow();
    return this.#heights.length;
  }

  /** Whoever reads a measure reads it again when one of them changes. */
  #follow(): number {
    return this.#version;
  }

  #changed(): void {
    this.#version = untrack(() => this.#version) + 1;
  }

  /** Makes the list so long; what was measured stays a good guess. */
  resize(length: number): void {
    if (length === this.#heights.length) {
      return;
    }
    this.#heights.length = Math.min(length, this.#heights.length);
    while (this.#heights.length < length) {
      this.#heights.push(this.#guess);
    }
    this.#tree = new Array<number>(length + 1).fill(0);
    for (const [n, height] of this.#heights.entries()) {
      const at = n + 1;
      this.#tree[at] = (this.#tree[at] ?? 0) + height;
      const parent = at + (at & -at);
      if (parent <= length) {
        this.#tree[parent] = (this.#tree[parent] ?? 0) + (this.#tree[at] ?? 0);
      }
    }
    this.#changed();
  }

  /** Takes over how high a row really is. */
  measure(row: number, height: number): void {
    const before = this.#heights[row];
    if (before === undefined || Math.abs(before - height) < 0.5) {
      return;
    }
    this.#heights[row] = height;
    for (let at = row + 1; at < this.#tree.length; at += at & -at) {
      this.#tree[at] = (this.#tree[at] ?? 0) + height - before;
    }
    this.#changed();
  }

  /** Where a row begins. */
  offset(row: number): number {
    this.#follow();
    let sum = 0;
    for (let at = Math.min(row, this.#heights.length); at > 0; at -= at & -at) {
      sum += this.#tree[at] ?? 0;
    }
    return sum;
  }

  /** The row at a height. */
  at(y: number): number {
    this.#follow();
    let row = 0;
    let left = y;
    let bit = 1;
    while (bit * 2 < this.#tree.length) {
      bit *= 2;
    }
    for (; bit > 0; bit >>= 1) {
      const next = row + bit;
      const height = this.#tree[next];
      if (height !== undefined && height <= left) {
        row = next;
        left -= height;
      }
    }
    return Math.min(row, Math.max(0, this.#heights.length - 1));
  }

  /** The rows that are seen, and a few beyond. */
  window(top: number, height: number): Window {
    const length = this.length;
    const from = Math.max(0, this.at(Math.max(0, top)) - BEYOND);
    const to = Math.min(length, this.at(top + height) + 1 + BEYOND);
    return { from, to: Math.max(from, to), offset: this.offset(from) };
  }
}
