import { Channel, invoke } from '@tauri-apps/api/core';

import type { CallError, Calls, Place, Told } from './api';
import { Refused, type Answer, type Args, type Backend, type Link, type Stop } from './backend';

/** The backend of the desktop app: the application runs in the same process as the window. */
export class TauriBackend implements Backend {
  readonly face = 'desktop';

  async call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>> {
    try {
      return await invoke<Answer<Name>>('call', { call: { call: name, args } });
    } catch (error) {
      throw error !== null && typeof error === 'object' && 'message' in error
        ? new Refused(error as CallError)
        : Refused.gone();
    }
  }

  listen(after: Place | undefined, onTold: (told: Told) => void, onLink: (link: Link) => void): Stop {
    const channel = new Channel<Told>();
    let stopped = false;
    channel.onmessage = (told) => {
      if (!stopped) {
        onTold(told);
      }
    };
    const listening = invoke<number>('listen', { after: after ?? null, channel });
    listening.then(
      () => {
        onLink('connected');
      },
      () => {
        onLink('gone');
      },
    );
    return () => {
      stopped = true;
      void listening.then((id) => invoke('unlisten', { id }));
    };
  }
}
