import type { CallError, Calls, Place, Told } from './api';

/** What a call takes. */
export type Args<Name extends keyof Calls> = Calls[Name]['args'];
/** What a call answers. */
export type Answer<Name extends keyof Calls> = Calls[Name]['answer'];

/** Ends what it was returned by. */
export type Stop = () => void;

/**
 * How the stream of events is doing. `gone`: nothing answers. `ended`: a program answers, but the session of this page
 * ended with the one before.
 */
export type Link = 'connected' | 'connecting' | 'gone' | 'ended';

/** The application behind the user interface: one interface, whatever carries it. */
export interface Backend {
  /** Which face this is: links and notifications differ. */
  readonly face: 'desktop' | 'web' | 'fake';

  /**
   * Asks something.
   * @throws {Refused} what went wrong, with what to do about it
   */
  call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>>;

  /**
   * Listens to the events after a place until stopped. Without a place the first thing told is `anew`, with where the
   * stream stands. A stream that breaks is taken up again where it ended; `onLink` says how it is doing.
   */
  listen(after: Place | undefined, onTold: (told: Told) => void, onLink: (link: Link) => void): Stop;
}

/** An error of the application as it is shown: `message`, then `hint`. */
export class Refused extends Error {
  readonly class: string;
  readonly hint: string | undefined;

  constructor(error: CallError) {
    super(error.message);
    this.name = 'Refused';
    this.class = error.class;
    this.hint = error.hint ?? undefined;
  }

  /** The application was started anew and does not know this page. */
  static ended(): Refused {
    return new Refused({
      class: 'ended',
      message: 'this session ended with the program that served it',
      hint: 'open the new link that `belay web` printed; what was typed here stays',
    });
  }

  /** The application cannot be reached at all. */
  static gone(): Refused {
    return new Refused({
      class: 'gone',
      message: 'belay does not answer',
      hint: 'it may have been closed; what was typed here stays, and nothing is lost',
    });
  }
}
