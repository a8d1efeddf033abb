/** Shows the demo: as a view that changes in place on a terminal, as lines elsewhere. */
import type { RolloutStatus } from '../api/rollout-status.ts';
import { startRedraw } from '../cli/redraw.ts';
import { frame, differencesText, type DemoView } from './view.ts';
import type { Terminal } from '../cli/terminal.ts';
import { hostOf, type StoryName } from './stories.ts';

/** Show is told of each moment, and at last ends. */
export interface Show {
  update(view: DemoView): void;
  /** end leaves what was shown last, with the cursor below it. */
  end(): void;
}

/** liveShow draws the view over itself. */
export function liveShow(terminal: Terminal): Show {
  const redraw = startRedraw(terminal);
  return {
    update: (view) => redraw.draw((screen) => frame(view, screen)),
    end: () => redraw.end(),
  };
}

/** plainShow writes a line whenever a Rollout says something new; what it says in `known` is not. */
export function plainShow(terminal: Pick<Terminal, 'write'>, known?: DemoView): Show {
  const told = new Map<StoryName, string>(known?.stories.map(({ story, status }) => [story.name, newsOf(status)]));
  return {
    update: ({ seconds, stories }) => {
      for (const { story, status } of stories) {
        const { phase = '', weight = 0, message = '' } = status;
        const news = newsOf(status);
        if (message === '' || told.get(story.name) === news) continue;
        told.set(story.name, news);
        const columns = [story.name.padEnd(4), phase.padEnd(11), `${weight}%`.padStart(4)];
        terminal.write(`${at(seconds)}  ${columns.join(' ')}  ${message}\n`);
      }
    },
    end: () => undefined,
  };
}

function newsOf({ phase, reason, weight = 0 }: RolloutStatus): string {
  return `${phase} ${reason} ${weight}`;
}

/** opening says in plain lines what the view shows all the time. */
export function opening({ seconds, seed, stories }: DemoView): string {
  const lines = [
    `Two hosts are behind the proxy of Sluice, and clients send them real requests (seed ${seed}).`,
    'v1, the stable version, answers everything. In a moment v2, the canary, is released on both.',
    ...stories.map(({ story }) => `${hostOf(story.name)}: ${story.title}.`),
    differencesText(),
  ];
  return lines.map((line) => `${at(seconds)}  ${line}\n`).join('');
}

function at(seconds: number): string {
  return `${seconds.toFixed(1).padStart(5)} s`;
}
