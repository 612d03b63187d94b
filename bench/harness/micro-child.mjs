/** One question of a micro bench, in a process of its own: node micro-child.mjs <bench> <question> <quick|full> */
import { argv } from 'node:process';
import { answerQuestion } from './micro.mjs';

const [bench, name, extent] = argv.slice(2);
const { questions } = await import(`../${bench}.mjs`);
const question = questions().find((one) => one.name === name);
await answerQuestion(question, { quick: extent === 'quick' });
