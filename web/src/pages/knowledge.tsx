import '../shared/tokens.css';
import '../shared/base.css';
import '../knowledge/knowledge.css';
import { render } from 'preact';
import { Knowledge } from '../knowledge/knowledge';
import { KnowledgePage } from '../knowledge/KnowledgePage';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';

const account = new Account();
const app = document.getElementById('app')!;
app.textContent = '';
render(<KnowledgePage know={new Knowledge(account)} account={account} />, app);
void askHealth();
