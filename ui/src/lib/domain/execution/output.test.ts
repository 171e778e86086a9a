import { describe, expect, it } from 'vitest';
import { OutputBuffer } from './output';

const out = (text: string) => ({ stream: 'stdout', text });
const err = (text: string) => ({ stream: 'stderr', text });
const texts = (buffer: OutputBuffer) => buffer.rows(0, buffer.length).map((row) => `${row.kind}:${row.text}`);

describe('the output of a step', () => {
  it('goes on with a line that has no end yet', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('one\ntw'));
    buffer.write(6, out('o\nthree'));
    expect(texts(buffer)).toEqual(['stdout:one', 'stdout:two', 'stdout:three']);
  });

  it('keeps the streams apart and in order', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('a'));
    buffer.write(1, err('b\n'));
    buffer.write(3, out('c\n'));
    expect(texts(buffer)).toEqual(['stdout:a', 'stderr:b', 'stdout:c']);
  });

  it('passes over what a snapshot holds already', () => {
    const buffer = OutputBuffer.of({ step: 's', pieces: [out('one\n')], written: 4, cut: false });
    buffer.write(0, out('one\n'));
    buffer.write(2, out('e\ntwo\n'));
    buffer.write(8, out('three\n'));
    expect(buffer.partial, 'nothing is missing').toBe(false);
    expect(texts(buffer), 'the overlap is written once').toEqual(['stdout:one', 'stdout:two', 'stdout:three']);
    expect(buffer.written).toBe(14);
  });

  it('counts in UTF-16 units, as the application does', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('🧗\n'));
    buffer.write(3, out('ok\n'));
    expect(texts(buffer), 'a climber is two units, so nothing is missing').toEqual(['stdout:🧗', 'stdout:ok']);
  });

  it('marks what is missing', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('a\n'));
    buffer.write(100, out('b\n'));
    expect(texts(buffer)).toEqual(['stdout:a', 'gap:', 'stdout:b']);
  });

  it('says that a snapshot begins in the middle', () => {
    const buffer = OutputBuffer.of({ step: 's', pieces: [err('end\n')], written: 5_000_000, cut: true });
    buffer.write(5_000_000, err('more\n'));
    expect(texts(buffer)).toEqual(['gap:', 'stderr:end', 'stderr:more']);
    expect(buffer.partial, 'the whole of it has to be asked for').toBe(true);
  });

  it('counts from zero when the next act starts', () => {
    const buffer = new OutputBuffer();
    buffer.act('run one');
    buffer.write(0, out('1\n'));
    buffer.act('run two');
    buffer.write(0, out('2\n'));
    expect(texts(buffer)).toEqual(['act:run one', 'stdout:1', 'act:run two', 'stdout:2']);
  });

  it('takes a carriage return as the end of a line, alone or with a line feed', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('10%\r20%\r\nend\r'));
    buffer.write(13, out('\nnext\n'));
    expect(texts(buffer), 'a pair that is torn apart is one line end').toEqual([
      'stdout:10%',
      'stdout:20%',
      'stdout:end',
      'stdout:next',
    ]);
  });

  it('holds a bounded number of rows and units', () => {
    const buffer = new OutputBuffer({ rows: 100, units: 2_000 });
    let at = 0;
    for (let line = 0; line < 5_000; line++) {
      const text = `line ${line}\n`;
      buffer.write(at, out(text));
      at += text.length;
    }
    expect(buffer.length).toBeLessThanOrEqual(100);
    expect(buffer.held).toBeLessThanOrEqual(2_000);
    expect(buffer.row(buffer.length - 1)?.text, 'the newest row stays').toBe('line 4999');
    expect(buffer.cut).toBe(true);
  });

  it('breaks a line that never ends', () => {
    const buffer = new OutputBuffer({ line: 10 });
    buffer.write(0, out('x'.repeat(25)));
    buffer.write(25, out('y'.repeat(6)));
    expect(texts(buffer)).toEqual([
      `stdout:${'x'.repeat(10)}`,
      `stdout:${'x'.repeat(10)}`,
      `stdout:${'x'.repeat(5)}${'y'.repeat(5)}`,
      'stdout:y',
    ]);
  });

  it('finds text without regard to case, in what comes later too', () => {
    const buffer = new OutputBuffer({ rows: 4 });
    buffer.write(0, out('Error one\nfine\n'));
    buffer.search('error');
    buffer.write(15, out('an ERR'));
    buffer.write(21, out('OR here\n'));
    expect([buffer.matches, buffer.match(0), buffer.match(1)]).toEqual([2, 0, 2]);
    buffer.write(29, out('a\nb\nc\n'));
    expect([buffer.matches, buffer.match(0)], 'what was dropped is no match any more').toEqual([1, 0]);
  });

  it('takes what is searched for literally', () => {
    const buffer = new OutputBuffer();
    buffer.write(0, out('a.b\naxb\n'));
    buffer.search('a.b');
    expect(buffer.matches).toBe(1);
  });

  it('is quick enough for megabytes', () => {
    const buffer = new OutputBuffer();
    const chunk = `${'x'.repeat(79)}\n`.repeat(800);
    const begun = performance.now();
    for (let index = 0; index < 160; index++) {
      buffer.write(index * chunk.length, out(chunk));
    }
    expect(buffer.held).toBeLessThanOrEqual(4 << 20);
    expect(performance.now() - begun, '10 MB are taken in well below the time in which they come').toBeLessThan(1_500);
  });
});
