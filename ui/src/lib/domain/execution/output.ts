import type { OutputPiece, RunningOutput } from '../../backend/api';

/** One row of output. */
export interface Row {
  /** Grows by one with every row, dropped ones included. */
  readonly id: number;
  /** `act` is a heading that says what starts, `gap` says that something is left out here. */
  readonly kind: 'stdout' | 'stderr' | 'act' | 'gap';
  text: string;
}

export interface Bounds {
  /** Rows that are held. */
  rows: number;
  /** UTF-16 units that are held. */
  units: number;
  /** A longer line goes on in a row of its own. */
  line: number;
}

const BOUNDS: Bounds = { rows: 200_000, units: 4 << 20, line: 4_096 };
const NEWLINE = /\r\n|\r|\n/;

/**
 * The output of a step: rows in bounded memory, the oldest dropped first.
 *
 * Whatever arrives says how much the act had written before, in UTF-16 units over both streams; what is here already is
 * passed over by it, and what is missing is marked.
 */
export class OutputBuffer {
  #bounds: Bounds;
  #rows: Row[] = [];
  /** Rows at the start of `#rows` that are dropped; cut off from time to time, because a shift costs. */
  #gone = 0;
  #units = 0;
  #next = 0;
  #written = 0;
  /** Whether the last row has no line end yet. */
  #open = false;
  /** Whether the last piece ended with a carriage return: a line feed after it belongs to it. */
  #returned = false;
  #gaps = false;
  #query: RegExp | undefined;
  #matches: number[] = [];

  constructor(bounds: Partial<Bounds> = {}) {
    this.#bounds = { ...BOUNDS, ...bounds };
  }

  /** What a snapshot holds of a running act. */
  static of(running: RunningOutput, bounds: Partial<Bounds> = {}): OutputBuffer {
    const buffer = new OutputBuffer(bounds);
    if (running.cut) {
      buffer.gap();
    }
    for (const piece of running.pieces) {
      buffer.#add(piece);
    }
    buffer.#written = running.written;
    return buffer;
  }

  /** How many rows are held. */
  get length(): number {
    return this.#rows.length - this.#gone;
  }

  /** How much the running act has written, seen or not. */
  get written(): number {
    return this.#written;
  }

  /** UTF-16 units that are held. */
  get held(): number {
    return this.#units;
  }

  /** Whether earlier rows were dropped. */
  get cut(): boolean {
    return (this.#rows[this.#gone]?.id ?? 0) > 0;
  }

  /** Whether something is missing of what was written. */
  get partial(): boolean {
    return this.cut || this.#gaps;
  }

  /** The row at a position of what is held. */
  row(index: number): Row | undefined {
    return this.#rows[this.#gone + index];
  }

  /** Rows of a window of what is held. */
  rows(from: number, to: number): Row[] {
    return this.#rows.slice(this.#gone + Math.max(from, 0), this.#gone + Math.max(to, 0));
  }

  /** Everything that is held, to copy. */
  text(): string {
    return this.rows(0, this.length)
      .map((row) => row.text)
      .join('\n');
  }

  /** An act starts: its output is counted from zero. */
  act(description: string): void {
    this.#written = 0;
    this.#push('act', description);
    this.#open = false;
  }

  /** Something is left out here. */
  gap(): void {
    this.#gaps = true;
    if (this.#rows.at(-1)?.kind !== 'gap') {
      this.#push('gap', '');
      this.#open = false;
    }
  }

  /** Output that an event brought; `at` is how much the act had written before it. */
  write(at: number, piece: OutputPiece): void {
    const known = this.#written - at;
    if (known >= piece.text.length && piece.text.length > 0) {
      return;
    }
    if (known < 0) {
      this.gap();
    }
    this.#add({ stream: piece.stream, text: known > 0 ? piece.text.slice(known) : piece.text });
    this.#written = at + piece.text.length;
  }

  /** Rows of kept output, without a count. */
  append(piece: OutputPiece): void {
    this.#add(piece);
  }

  /** Says what is searched for; nothing where the text is empty. */
  search(text: string): void {
    this.#matches = [];
    this.#query = text === '' ? undefined : new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
    for (let index = this.#gone; index < this.#rows.length; index++) {
      const row = this.#rows[index];
      if (row !== undefined && this.#hit(row)) {
        this.#matches.push(row.id);
      }
    }
  }

  /** How many rows match. */
  get matches(): number {
    return this.#matches.length - this.#firstMatch();
  }

  /** The position of a match among the rows that are held. */
  match(index: number): number | undefined {
    const id = this.#matches[this.#firstMatch() + index];
    return id === undefined ? undefined : id - this.#firstId();
  }

  /** Whether a row matches. */
  matched(row: Row): boolean {
    return this.#hit(row);
  }

  #firstId(): number {
    return this.#rows[this.#gone]?.id ?? this.#next;
  }

  #firstMatch(): number {
    const first = this.#firstId();
    let low = 0;
    let high = this.#matches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#matches[middle] ?? 0) < first) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  #hit(row: Row): boolean {
    return this.#query?.test(row.text) ?? false;
  }

  #add(piece: OutputPiece): void {
    const kind = piece.stream === 'stderr' ? 'stderr' : 'stdout';
    let text = piece.text;
    if (this.#returned && text.startsWith('\n')) {
      text = text.slice(1);
    }
    if (text === '') {
      return;
    }
    this.#returned = text.endsWith('\r');
    const lines = text.split(NEWLINE);
    const ended = lines.at(-1) === '';
    if (ended) {
      lines.pop();
    }
    lines.forEach((line, index) => this.#line(kind, line, index === 0));
    this.#open = !ended;
    this.#drop();
  }

  /** One line, or what goes on with an open one. */
  #line(kind: 'stdout' | 'stderr', line: string, first: boolean): void {
    const last = this.#rows.at(-1);
    let rest = line;
    if (first && this.#open && last?.kind === kind) {
      const room = this.#bounds.line - last.text.length;
      const more = rest.slice(0, room);
      const before = this.#hit(last);
      last.text += more;
      this.#units += more.length;
      if (!before && this.#hit(last)) {
        this.#matches.push(last.id);
      }
      rest = rest.slice(room);
      if (rest === '') {
        return;
      }
    }
    do {
      this.#push(kind, rest.slice(0, this.#bounds.line));
      rest = rest.slice(this.#bounds.line);
    } while (rest !== '');
  }

  #push(kind: Row['kind'], text: string): void {
    const row: Row = { id: this.#next++, kind, text };
    this.#rows.push(row);
    this.#units += text.length + 1;
    if (this.#hit(row)) {
      this.#matches.push(row.id);
    }
  }

  #drop(): void {
    while (this.length > 1 && (this.length > this.#bounds.rows || this.#units > this.#bounds.units)) {
      this.#units -= (this.#rows[this.#gone]?.text.length ?? 0) + 1;
      this.#gone += 1;
    }
    if (this.#gone > Math.max(this.#bounds.rows / 4, 1_024)) {
      this.#rows.splice(0, this.#gone);
      this.#gone = 0;
      this.#matches.splice(0, this.#firstMatch());
    }
  }
}
