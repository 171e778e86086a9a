import type {
  About,
  CatalogSource,
  ContextView,
  DoctorReport,
  FindingView,
  PolicyText,
  RotView,
  SecretKept,
  SecretsView,
} from '../../backend/api';
import type { Refused } from '../../backend/backend';
import { refusal, Resource } from '../resource.svelte';
import type { Caller } from '../start/start.svelte';

/** What came of adding a directory. */
export interface Added {
  path: string;
  runbooks: number;
  findings: FindingView[];
}

/** What is set on this device, and how it is. */
export class SettingsState {
  readonly about = new Resource<About>();
  readonly sources = new Resource<CatalogSource[]>();
  readonly rot = new Resource<RotView>();
  readonly contexts = new Resource<ContextView[]>();
  readonly policy = new Resource<PolicyText>();
  readonly doctor = new Resource<DoctorReport>();
  readonly secrets = new Resource<SecretsView>();
  /** What is being changed. */
  changing: string | undefined = $state();
  /** Why the last change was not taken. */
  refused: Refused | undefined = $state.raw();
  added: Added | undefined = $state.raw();
  /** The secret that was kept last. */
  kept: SecretKept | undefined = $state.raw();
  #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Reads everything that costs nothing; the rot report is asked for. */
  async load(): Promise<void> {
    await Promise.all([
      this.identity(),
      this.catalog(),
      this.surroundings(),
      this.rules(),
      this.examine(),
      this.keyring(),
    ]);
  }

  identity(): Promise<void> {
    return this.about.load(() => this.#caller.call('about', {}));
  }

  catalog(): Promise<void> {
    return this.sources.load(() => this.#caller.call('catalog', {}));
  }

  surroundings(): Promise<void> {
    return this.contexts.load(() => this.#caller.call('contexts', {}));
  }

  rules(): Promise<void> {
    return this.policy.load(() => this.#caller.call('policy', {}));
  }

  examine(): Promise<void> {
    return this.doctor.load(() => this.#caller.call('doctor', {}));
  }

  /** Looks at the names that the keyring holds; unlocks nothing. */
  keyring(): Promise<void> {
    return this.secrets.load(() => this.#caller.call('secrets', { unlock: false }));
  }

  decay(): Promise<void> {
    return this.rot.load(() => this.#caller.call('rot', {}));
  }

  /** Adds a directory to the catalog; true once it is there. */
  add(path: string): Promise<boolean> {
    return this.#change('add', async () => {
      this.added = await this.#caller.call('catalog_add', { path: path.trim() });
      await this.catalog();
    });
  }

  /** Takes a directory out of the catalog. */
  remove(path: string): Promise<boolean> {
    return this.#change(`remove ${path}`, async () => {
      await this.#caller.call('catalog_remove', { path });
      this.added = this.added?.path === path ? undefined : this.added;
      await this.catalog();
    });
  }

  /** Makes a context the current one. */
  use(context: string): Promise<boolean> {
    return this.#change(`use ${context}`, async () => {
      await this.#caller.call('use_context', { name: context });
      await Promise.all([this.surroundings(), this.identity()]);
    });
  }

  /** Has the person unlock the keyring. */
  unlock(): Promise<boolean> {
    return this.#change('unlock', async () => {
      this.secrets.put(await this.#caller.call('secrets', { unlock: true }));
    });
  }

  /** Keeps a secret in the keyring; true once it is there. */
  keepSecret(name: string, value: string): Promise<boolean> {
    this.kept = undefined;
    return this.#change('keep', async () => {
      this.kept = await this.#caller.call('secret_set', { name: name.trim(), value });
      await this.keyring();
    });
  }

  /** Removes a secret from the keyring. */
  forgetSecret(name: string): Promise<boolean> {
    this.kept = undefined;
    return this.#change(`forget ${name}`, async () => {
      await this.#caller.call('secret_remove', { name });
      await this.keyring();
    });
  }

  async #change(what: string, change: () => Promise<void>): Promise<boolean> {
    if (this.changing !== undefined) {
      return false;
    }
    this.changing = what;
    this.refused = undefined;
    try {
      await change();
      return true;
    } catch (thrown) {
      this.refused = refusal(thrown);
      return false;
    } finally {
      this.changing = undefined;
    }
  }
}
